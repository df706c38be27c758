import {
  COLD_START_MAX_MS,
  REQUEST_BODY_MAX_BYTES,
  WHOLE_ANSWER_PATIENCE_MAX_MS,
  WHOLE_ANSWER_PATIENCE_MS,
} from '../src/core/limits.ts';
import { type AnswerForm, chatForm } from '../src/core/protocol/answer-form.ts';
import { type ChatRequest, parseChatRequest } from '../src/core/protocol/chat-request.ts';
import type { ImageTask } from '../src/core/protocol/image-task-request.ts';
import { inTermsOf } from '../src/core/protocol/request-field.ts';
import { SSE_HEADERS } from '../src/core/protocol/sse.ts';
import { ATTEMPTS_HEADER, attemptsHeader } from '../src/core/upstream/attempts-header.ts';
import { type ModelRoute, routeModel } from '../src/core/tenants/route-model.ts';
import { askForStream, askForWhole, type ModelRun, type Question } from './ask-model.ts';
import type { Deps } from './deps.ts';
import { type EnclosedFiles, parseWithPictures } from './enclosed-files.ts';
import { WIRE_HEADER, writeWireReport } from '../src/core/upstream/wire-header.ts';
import { requestImages, withoutPictures } from './request-images.ts';
import { modelChain } from './model-chain.ts';
import { orTimeout } from './or-timeout.ts';
import { ownerReuse } from './owner-reuse.ts';
import { relayAnswer } from './relay-stream.ts';
import type { RequestContext } from './request-context.ts';
import { jsonResponse, textResponse } from './sized-response.ts';
import { admit, boundAnswer } from './tenants/admit.ts';
import { answerCached, wantsCache } from './tenants/answer-cache.ts';
import { requireScope } from './tenants/identify-tenant.ts';

/** A question to the model, wherever it came from, and how its answer is to be written. */
export interface ChatTask {
  chat: ChatRequest;
  form: AnswerForm;
  /** Who answers, where that is decided already. */
  route?: ModelRoute;
  /** What the route is for; a tenant's model may not take every task. Absent is a chat. */
  task?: 'chat' | ImageTask;
  enclosed: EnclosedFiles;
}

/** POST /v1/chat/completions */
export async function chatCompletions(deps: Deps, context: RequestContext): Promise<Response> {
  startLoading(deps, context);
  const body = await context.receive(REQUEST_BODY_MAX_BYTES);
  const parsed = parseWithPictures(body, deps.newId, (json) => ({ chat: parseChatRequest(json, { parts: 'client' }) }));
  return answerChat({ ...parsed, form: chatForm }, deps, context);
}

/** The recipe of every route that asks the model, from a valid chat request to the last token. */
export async function answerChat(task: ChatTask, deps: Deps, context: RequestContext): Promise<Response> {
  try {
    return await answer(task, deps, context);
  } catch (error) {
    throw inTermsOf(task.form.fieldName, error);
  }
}

async function answer(
  { chat: asked, form, route: given, task = 'chat', enclosed }: ChatTask,
  deps: Deps,
  context: RequestContext,
): Promise<Response> {
  const { config } = deps;
  const { stopwatch, record, tenant, uploads } = context;
  if (tenant !== null) {
    requireScope(tenant, 'chat');
  }
  const chat = withoutPictures(tenant === null ? asked : boundAnswer(asked, tenant.settings));
  const route = tenant === null ? given : routeModel(tenant.settings, chat, task);
  const chain = modelChain(chat, config, route);
  record.note({ model: chat.model, stream: chat.stream });

  const stop = new AbortController();
  const { signal } = stop;
  context.signal.addEventListener('abort', () => stop.abort(context.signal.reason), { once: true });
  if (context.signal.aborted) {
    stop.abort(context.signal.reason);
  }
  const reuse = ownerReuse(deps, context);
  const images = requestImages(
    asked,
    chain,
    deps,
    { stopwatch, signal, enclosed, uploads, letGo: (held) => context.letGo(held) },
    reuse,
  );
  record.afterwards(() => images.release());
  const cacheSalt = (await reuse?.names.salt()) ?? null;
  const [first] = chain[0] ?? [];
  if (first === undefined) {
    throw new Error('a chain without upstreams');
  }
  const cached =
    tenant !== null && config.tenancy !== null && wantsCache(context) ? { tenant, tenancy: config.tenancy } : null;
  // What is wrong with an image is told before any upstream is called.
  const { images: prepared } = await images.shownTo(first, () => null, { whole: cached !== null });
  record.note({ images: prepared.length });
  if (cached === null) {
    return ask();
  }
  const question = { chat, upstreamModel: first.model, images: prepared, form: context.asks };
  return answerCached(question, { ...deps, ...cached, context }, ask);

  async function ask(): Promise<Response> {
    if (tenant !== null) {
      await admit(chat, tenant, deps.newId(), context);
    }
    const question: Question = {
      chat,
      chain,
      images,
      cacheSalt,
      place: context.place,
      patienceMs: chat.stream ? COLD_START_MAX_MS : patienceOf(context.headers),
      requestId: context.requestId,
      identity: { id: `chatcmpl-${deps.newId()}`, created: deps.unixSeconds(), model: chat.model },
      signal,
      waitUntil: context.waitUntil,
    };

    if (!chat.stream) {
      const body = form.whole(await outcomeOf(askForWhole(deps, question)));
      const headers = { 'server-timing': stopwatch.header() };
      return typeof body === 'string' ? textResponse(body, { headers }) : jsonResponse(body, { headers });
    }
    const run = askForStream(deps, question);
    // A failure within the grace keeps its real HTTP status; later ones can only be told in-band.
    await outcomeOf(run, config.streamGraceMs);
    const stream = relayAnswer(whenBound(run), {
      identity: question.identity,
      includeUsage: chat.includeUsage || form.showsUsage,
      writer: form.stream(question.identity),
      stop,
      signal,
      now: deps.now,
      onEnd: (end, bytesOut) => record.close(end, bytesOut),
    });
    return new Response(stream, { headers: { ...SSE_HEADERS, 'server-timing': stopwatch.header() } });

    /** Waits for what became of the calls, and tells the client of them. */
    async function outcomeOf<Answer>(asked: ModelRun<Answer>): Promise<Answer>;
    async function outcomeOf<Answer>(asked: ModelRun<Answer>, graceMs: number): Promise<Answer | null>;
    async function outcomeOf<Answer>(asked: ModelRun<Answer>, graceMs?: number): Promise<Answer | null> {
      record.called(asked.ledger);
      const given = stopwatch.time('upstream', () => asked.answer);
      try {
        return await (graceMs === undefined ? given : orTimeout(given, graceMs));
      } finally {
        context.header(ATTEMPTS_HEADER, attemptsHeader(asked.state()));
        const shown = asked.shown();
        if (shown !== null && shown.images > 0) {
          context.header(WIRE_HEADER, writeWireReport(shown));
        }
      }
    }
  }
}

/** The runtime and the patch embedding load while the body is still arriving. Who needs them sees a failure again. */
export function startLoading({ config, embedder }: Deps, { waitUntil }: RequestContext): void {
  if (config.upstreams.some(({ wires }) => wires.includes('image_embeds'))) {
    waitUntil(embedder.warm().catch(() => undefined));
  }
}

async function* whenBound<Event>(run: ModelRun<AsyncGenerator<Event, void>>): AsyncGenerator<Event, void> {
  yield* await run.answer;
}

/** openai-node and openai-python say how many seconds they wait for a whole answer. */
function patienceOf(headers: Headers): number {
  const seconds = Number(headers.get('x-stainless-timeout') ?? Number.NaN);
  return seconds > 0 ? Math.min(seconds * 1000, WHOLE_ANSWER_PATIENCE_MAX_MS) : WHOLE_ANSWER_PATIENCE_MS;
}
