import { PING_INTERVAL_MS } from '../src/core/limits.ts';
import {
  finishChunk,
  type ResponseIdentity,
  roleChunk,
  textChunk,
  usageChunk,
} from '../src/core/protocol/chat-response.ts';
import { DONE, encodeEvent, PING } from '../src/core/protocol/sse.ts';
import { errorBody } from './error-response.ts';
import { orTimeout } from './or-timeout.ts';
import type { AnswerEvent } from './upstream-answer.ts';

export interface Relay {
  identity: ResponseIdentity;
  includeUsage: boolean;
  /** Stops upstream: the client has left, or the relay gives up. */
  stop: AbortController;
  /** Aborted by `stop` or by the end of the client's request. */
  signal: AbortSignal;
  /** Told once about an answer that ended in an error. */
  onFailure(error: unknown): void;
  /** Silence after which a ping is sent. */
  pingMs?: number;
}

/**
 * An answer as OpenAI's event stream.
 *
 * Pulled by the client: a slow reader slows upstream down. A failure becomes `data: {"error": …}` without `[DONE]`, the
 * one signal that every measured client takes for an error. Finish reason, usage and `[DONE]` are sent together, after
 * the answer is proven whole. Comments fill the silence: they keep proxies open, and writing one is how workerd finds
 * out that a client has left before the first token.
 */
export function relayAnswer(answer: AsyncIterator<AnswerEvent, void>, relay: Relay): ReadableStream<Uint8Array> {
  const { identity, includeUsage, stop, signal, pingMs = PING_INTERVAL_MS } = relay;
  const utf8 = new TextEncoder();
  let next: Promise<IteratorResult<AnswerEvent, void>> | undefined;
  let started = false;

  async function pull(client: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    const write = (text: string) => client.enqueue(utf8.encode(text));
    const start = () => {
      if (!started) {
        started = true;
        write(encodeEvent(roleChunk(identity, { includeUsage })));
      }
    };
    try {
      next ??= answer.next();
      const result = await orTimeout(next, pingMs);
      if (result === null) {
        write(PING);
        return;
      }
      next = undefined;
      if (result.done === true) {
        client.close();
        return;
      }
      start();
      if (result.value.kind === 'text') {
        write(encodeEvent(textChunk(identity, result.value.text, { includeUsage })));
        return;
      }
      write(encodeEvent(finishChunk(identity, result.value.finishReason, { includeUsage })));
      if (includeUsage && result.value.usage !== null) {
        write(encodeEvent(usageChunk(identity, result.value.usage)));
      }
      write(DONE);
      client.close();
    } catch (error) {
      if (signal.aborted) {
        // The client has left; what broke is its own doing and nobody reads the rest.
        return;
      }
      relay.onFailure(error);
      stop.abort();
      write(encodeEvent(errorBody(error)));
      client.close();
    }
  }

  return new ReadableStream({ pull, cancel: () => stop.abort() }, { highWaterMark: 0 });
}
