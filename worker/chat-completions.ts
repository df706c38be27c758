import {
  COLD_START_MAX_MS,
  REQUEST_BODY_MAX_BYTES,
  WHOLE_ANSWER_PATIENCE_MAX_MS,
  WHOLE_ANSWER_PATIENCE_MS,
} from '../src/core/limits.ts';
import { parseChatRequest } from '../src/core/protocol/chat-request.ts';
import { SSE_HEADERS } from '../src/core/protocol/sse.ts';
import { ATTEMPTS_HEADER, attemptsHeader } from '../src/core/upstream/attempts-header.ts';
import type { Place } from '../src/core/upstream/region.ts';
import { askForStream, askForWhole, type Question } from './ask-model.ts';
import { authorise } from './authorise.ts';
import type { UpstreamRun } from './call-upstreams.ts';
import type { Deps } from './deps.ts';
import { imagesByWire } from './images-by-wire.ts';
import { logFailure } from './log-failure.ts';
import { modelChain } from './model-chain.ts';
import { orTimeout } from './or-timeout.ts';
import { readJson } from './read-body.ts';
import { relayAnswer } from './relay-stream.ts';
import { startStopwatch } from './stopwatch.ts';

export interface RequestContext {
  requestId: string;
  /** Keeps work alive that other requests share, though this one's client may leave. */
  waitUntil: (work: Promise<unknown>) => void;
  /** Sets a header of the response, be it an error. */
  header: (name: string, value: string) => void;
}

/** POST /v1/chat/completions, from key to last token. */
export async function chatCompletions(request: Request, deps: Deps, context: RequestContext): Promise<Response> {
  const { config } = deps;
  await authorise(request.headers, config.keySha256);
  startLoading(deps, context);

  const stopwatch = startStopwatch(deps.now);
  // On a fresh isolate this holds the loading too: both share one thread.
  const body = await stopwatch.time('receive', () => readJson(request, REQUEST_BODY_MAX_BYTES));
  const chat = parseChatRequest(body, { parts: 'client' });
  const chain = modelChain(chat, config);

  const stop = new AbortController();
  const signal = AbortSignal.any([request.signal, stop.signal]);
  const images = imagesByWire(chat, deps, { stopwatch, signal });
  // What is wrong with an image is told before any upstream is called.
  await images(chain[0]?.[0]?.wire ?? 'original');
  const question: Question = {
    chat,
    chain,
    images,
    place: placeOf(request.cf),
    patienceMs: chat.stream ? COLD_START_MAX_MS : patienceOf(request.headers),
    requestId: context.requestId,
    identity: { id: `chatcmpl-${deps.newId()}`, created: deps.unixSeconds(), model: chat.model },
    signal,
    waitUntil: context.waitUntil,
  };

  const answered = <Answer>(run: UpstreamRun<Answer>) => stopwatch.time('upstream', () => run.answer);
  const tellAttempts = (run: UpstreamRun<unknown>) => context.header(ATTEMPTS_HEADER, attemptsHeader(run.state()));
  if (!chat.stream) {
    const run = askForWhole(deps, question);
    const completion = await answered(run).finally(() => tellAttempts(run));
    return Response.json(completion, { headers: { 'server-timing': stopwatch.header() } });
  }
  const run = askForStream(deps, question);
  // A failure within the grace keeps its real HTTP status; later ones can only be told in-band.
  await orTimeout(answered(run), config.streamGraceMs).finally(() => tellAttempts(run));
  const stream = relayAnswer(whenBound(run), {
    identity: question.identity,
    includeUsage: chat.includeUsage,
    stop,
    signal,
    onFailure: (error) => logFailure(deps.log, error, context.requestId),
  });
  return new Response(stream, { headers: { ...SSE_HEADERS, 'server-timing': stopwatch.header() } });
}

/** The runtime and the patch embedding load while the body is still arriving. Who needs them sees a failure again. */
function startLoading({ config, embedder }: Deps, { waitUntil }: RequestContext): void {
  if (config.upstreams.some(({ wire }) => wire === 'image_embeds')) {
    waitUntil(embedder.warm().catch(() => undefined));
  }
}

async function* whenBound<Event>(run: UpstreamRun<AsyncGenerator<Event, void>>): AsyncGenerator<Event, void> {
  yield* await run.answer;
}

function placeOf(cf: CfProperties | undefined): Place {
  const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : null);
  return { colo: text(cf?.colo), country: text(cf?.country), continent: text(cf?.continent) };
}

/** openai-node and openai-python say how many seconds they wait for a whole answer. */
function patienceOf(headers: Headers): number {
  const seconds = Number(headers.get('x-stainless-timeout') ?? Number.NaN);
  return seconds > 0 ? Math.min(seconds * 1000, WHOLE_ANSWER_PATIENCE_MAX_MS) : WHOLE_ANSWER_PATIENCE_MS;
}
