import type { ChatRequest } from '../src/core/protocol/chat-request.ts';
import { RequestError } from '../src/core/protocol/failure.ts';
import { serverFields } from '../src/core/upstream/capability.ts';
import { openChatSpan } from './chat-span.ts';
import type { Deps } from './deps.ts';
import { failureOf } from './error-response.ts';
import type { ImagesByWire } from './images-by-wire.ts';
import type { Tally } from './ledger.ts';
import { requireSight } from './require-sight.ts';
import { createSilenceTimer } from './silence-timer.ts';
import { callUpstream } from './upstream.ts';
import { type AnswerEvent, expectedOf, readAnswer } from './upstream-answer.ts';
import { upstreamBody } from './upstream-body.ts';
import type { Upstream } from './upstream-config.ts';
import { visionOf } from './vision-header.ts';

export interface AttemptRequest {
  chat: ChatRequest;
  images: ImagesByWire;
  requestId: string;
  /** Of the answer that the client gets. */
  responseId: string;
  signal: AbortSignal;
  waitUntil: (work: Promise<unknown>) => void;
  tally: Tally;
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
    throw error;
  }
}

async function* answerOf(
  deps: Deps,
  upstream: Upstream,
  { chat, images, requestId, signal, waitUntil, tally, onAccepted }: AttemptRequest,
): AsyncGenerator<AnswerEvent, void> {
  const prepared = await images(upstream.wire);
  if (prepared.length > 0 && deps.config.selfTest === 'require') {
    await requireSight(deps, upstream, waitUntil);
  }
  const body = await callUpstream(deps, {
    upstream,
    body: upstreamBody(chat, upstream.model, prepared, deps.newId(), serverFields(upstream)),
    visionSha256: await visionOf(prepared, deps),
    requestId,
    signal,
  });
  onAccepted();
  let heardAt = deps.now();
  const expected = expectedOf(chat, {
    imageTokens: prepared.reduce((sum, image) => sum + image.tokens, 0),
    usage: upstream.can.has('usage'),
  });
  const events = readAnswer(body, expected, (usage) => {
    heardAt = deps.now();
    tally.usage = usage;
  });
  yield* heedSilence(events, upstream.idleMs, deps.now, () => heardAt);
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
