import { REQUEST_BODY_MAX_BYTES, STREAM_GRACE_MS } from '../src/core/limits.ts';
import { type ChatRequest, parseChatRequest, partPath } from '../src/core/protocol/chat-request.ts';
import { RequestError } from '../src/core/protocol/failure.ts';
import { SSE_HEADERS } from '../src/core/protocol/sse.ts';
import { authorise } from './authorise.ts';
import { collectAnswer } from './collect-answer.ts';
import type { Deps } from './deps.ts';
import { logFailure } from './log-failure.ts';
import { orTimeout } from './or-timeout.ts';
import { prepareImage, type PreparedImage } from './prepare-image.ts';
import { readJson } from './read-body.ts';
import { relayAnswer } from './relay-stream.ts';
import { startStopwatch, type Stopwatch } from './stopwatch.ts';
import { callUpstream } from './upstream.ts';
import { type AnswerEvent, type Expected, expectedOf, readAnswer } from './upstream-answer.ts';
import { upstreamBody } from './upstream-body.ts';

export interface RequestContext {
  requestId: string;
  /** Keeps work alive that other requests share, though this one's client may leave. */
  waitUntil: (work: Promise<unknown>) => void;
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
  if (chat.model !== config.model) {
    throw new RequestError({ kind: 'model-not-found', model: chat.model });
  }

  const stop = new AbortController();
  const signal = AbortSignal.any([request.signal, stop.signal]);
  const images = await prepareImages(chat, deps, stopwatch, signal);
  const answer = stopwatch.time('upstream', async () =>
    callUpstream(deps, {
      body: upstreamBody(chat, config.upstream.model, images, deps.newId()),
      visionSha256: await visionOf(images, deps),
      requestId: context.requestId,
      signal,
    }),
  );
  const expected = expectedOf(
    chat,
    images.reduce((sum, image) => sum + image.tokens, 0),
  );
  const events = readWhenOpen(answer, expected);
  const identity = { id: `chatcmpl-${deps.newId()}`, created: deps.unixSeconds(), model: config.model };

  if (!chat.stream) {
    const completion = await collectAnswer(events, identity, expected);
    return Response.json(completion, { headers: { 'server-timing': stopwatch.header() } });
  }
  // A failure within the grace keeps its real HTTP status; later ones can only be told in-band.
  await orTimeout(answer, STREAM_GRACE_MS);
  const stream = relayAnswer(events, {
    identity,
    includeUsage: chat.includeUsage,
    stop,
    signal,
    onFailure: (error) => logFailure(deps.log, error, context.requestId),
  });
  return new Response(stream, { headers: { ...SSE_HEADERS, 'server-timing': stopwatch.header() } });
}

/** The runtime and the patch embedding load while the body is still arriving. Who needs them sees a failure again. */
function startLoading({ config, embedder }: Deps, { waitUntil }: RequestContext): void {
  if (config.upstream.wire === 'image_embeds') {
    waitUntil(embedder.warm().catch(() => undefined));
  }
}

/** One image after another: the peak is that of the largest photo, not of their sum. */
async function prepareImages(
  chat: ChatRequest,
  deps: Deps,
  stopwatch: Stopwatch,
  signal: AbortSignal,
): Promise<PreparedImage[]> {
  const images: PreparedImage[] = [];
  for (const [m, { content }] of chat.messages.entries()) {
    for (const [p, part] of content.entries()) {
      if (part.type === 'image_url') {
        images.push(await prepareImage(part.url, `${partPath(m, p)}.image_url.url`, deps, { stopwatch, signal }));
      }
    }
  }
  return images;
}

async function visionOf(images: PreparedImage[], { bundle }: Deps): Promise<string | null> {
  const embedded = images.some((image) => image.part === 'image_embeds');
  return embedded ? (await bundle.manifest()).vision.sha256 : null;
}

async function* readWhenOpen(
  answer: Promise<ReadableStream<Uint8Array<ArrayBuffer>>>,
  expected: Expected,
): AsyncGenerator<AnswerEvent, void> {
  yield* readAnswer(await answer, expected);
}
