import type { ChatRequest } from '../src/core/protocol/chat-request.ts';
import { type Failure, RequestError } from '../src/core/protocol/failure.ts';
import { inTermsOf } from '../src/core/protocol/request-field.ts';
import { IMAGE_NOT_STORED } from '../src/core/protocol/stored-image.ts';
import { clientField } from '../src/core/protocol/show-videos.ts';
import { serverFields } from '../src/core/upstream/capability.ts';
import { openChatSpan } from './chat-span.ts';
import type { Deps } from './deps.ts';
import { failureOf } from './error-response.ts';
import type { Tally } from './ledger.ts';
import { sightOfModel } from './named-bundles.ts';
import type { PreparedImage } from './prepared-image.ts';
import type { RequestImages, ShownImages } from './request-images.ts';
import { requireSight } from './require-sight.ts';
import { createSilenceTimer } from './silence-timer.ts';
import { callUpstream } from './upstream.ts';
import { type AnswerEvent, expectedOf, readAnswer } from './upstream-answer.ts';
import { type UpstreamBody, upstreamBody } from './upstream-body.ts';
import type { Upstream } from './upstream-config.ts';
import { visionOf } from './vision-header.ts';

export interface AttemptRequest {
  chat: ChatRequest;
  images: RequestImages;
  /** For servers that keep what they read: whose prompts it may share that with. */
  cacheSalt: string | null;
  requestId: string;
  /** Of the answer that the client gets. */
  responseId: string;
  signal: AbortSignal;
  waitUntil: (work: Promise<unknown>) => void;
  tally: Tally;
  /** Hears how images are sent, each time they are. */
  onShown: (shown: ShownImages) => void;
  /** Upstream has answered with headers and status 200. */
  onAccepted: () => void;
}

/**
 * Asks one upstream, and reads its answer as it comes; the tally and a span of the trace are kept beside it.
 *
 * @throws RequestError as {@link requireSight}, {@link callUpstream} and {@link readAnswer} do; `upstream-timeout` when it
 *   falls silent in the middle. How long its first piece may take is the caller's to say.
 */
export async function* askUpstream(
  deps: Deps,
  upstream: Upstream,
  request: AttemptRequest,
): AsyncGenerator<AnswerEvent, void> {
  const { now, trace } = deps;
  const { chat, tally, signal, responseId } = request;
  const span = openChatSpan(trace, chat, upstream, responseId);
  const startMs = now();
  // Whoever gives an attempt up may never ask for its next event.
  signal.addEventListener('abort', () => span.end(tally, 'cancelled'), { once: true });
  try {
    for await (const event of answerOf(deps, upstream, request)) {
      if (event.kind === 'end') {
        tally.finishReasons = event.finishReasons;
        span.end(tally, null);
      } else {
        tally.pieces += 1;
        if (tally.firstMs === null) {
          tally.firstMs = now();
          span.firstToken(tally.firstMs - startMs);
        }
      }
      yield event;
    }
  } catch (error) {
    span.end(tally, failureOf(error).kind);
    throw inTermsOf((field) => clientField(chat.messages, field), error);
  }
}

async function* answerOf(
  deps: Deps,
  upstream: Upstream,
  { chat, images, cacheSalt, requestId, signal, waitUntil, tally, onAccepted, onShown }: AttemptRequest,
): AsyncGenerator<AnswerEvent, void> {
  const write = (sent: PreparedImage[]): UpstreamBody =>
    upstreamBody(chat, upstream.model, sent, deps.newId(), serverFields(upstream, cacheSalt));
  let shown = await images.shownTo(upstream, write);
  if (shown.images.length > 0 && deps.config.selfTest === 'require') {
    await requireSight(deps, upstream, waitUntil);
  }
  const post = async ({ body, ...sent }: typeof shown): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> => {
    onShown(sent);
    return callUpstream(deps, {
      upstream,
      body,
      visionSha256: await visionOf(sent.images, sightOfModel(deps, upstream)),
      requestId,
      signal,
      onSent: () => images.sent(),
    });
  };
  const body = await post(shown).catch(async (error: unknown) => {
    if (!mayMissImages(failureOf(error), upstream, shown)) {
      throw error;
    }
    await images.lost(upstream, shown);
    shown = await images.shownTo(upstream, write, { whole: true });
    return post(shown);
  });
  onAccepted();
  images.taken(upstream, shown);
  let heardAt = deps.now();
  const expected = expectedOf(chat, {
    imageTokens: shown.images.reduce((sum, image) => sum + image.tokens, 0),
    usage: upstream.can.has('usage'),
  });
  const events = readAnswer(body, expected, (usage) => {
    heardAt = deps.now();
    tally.usage = usage;
  });
  yield* heedSilence(events, upstream.idleMs, deps.now, () => heardAt);
}

/** Whether a refusal may be for an image that upstream was thought to hold; vLLM has no code for it, and fails at times. */
function mayMissImages(failure: Failure, { server }: Upstream, { images }: ShownImages): boolean {
  if (!images.some(({ from }) => from === 'upstream')) {
    return false;
  }
  return server === 'vllm'
    ? failure.kind === 'invalid-request' || (failure.kind === 'upstream-rejected' && failure.status === 500)
    : failure.kind === 'invalid-request' && failure.code === IMAGE_NOT_STORED;
}

/**
 * The same events; fails when upstream sends nothing for a while after the first of them. Only the time that is spent
 * waiting for upstream counts, and chunks that show nothing, as of hidden reasoning, break the silence too.
 */
async function* heedSilence(
  events: AsyncGenerator<AnswerEvent, void>,
  idleMs: number,
  now: () => number,
  heardAt: () => number,
): AsyncGenerator<AnswerEvent, void> {
  const timer = createSilenceTimer(now);
  try {
    let result = await events.next();
    while (result.done !== true) {
      yield result.value;
      const next = events.next();
      const askedAt = now();
      const settled = await timer.wait(next, () => Math.max(askedAt, heardAt()) + idleMs);
      if (settled === null) {
        // Nobody waits for it any more; the caller's signal ends it.
        next.catch(() => undefined);
        throw new RequestError({ kind: 'upstream-timeout', message: `The model server fell silent for ${idleMs} ms` });
      }
      result = settled;
    }
  } finally {
    timer.end();
  }
}
