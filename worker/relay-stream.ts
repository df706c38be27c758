import { PING_INTERVAL_MS } from '../src/core/limits.ts';
import {
  deltaChunk,
  finishChunk,
  type ResponseIdentity,
  roleChunk,
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
 * An answer as OpenAI's event stream: each choice begins with its role and ends with its finish reason.
 *
 * Pulled by the client: a slow reader slows upstream down. A failure becomes `data: {"error": …}` without `[DONE]`, the
 * one signal that every measured client takes for an error. Finish reasons, usage and `[DONE]` are sent together, after
 * the answer is proven whole. Comments fill the silence: they keep proxies open, and writing one is how workerd finds
 * out that a client has left before the first token.
 */
export function relayAnswer(answer: AsyncIterator<AnswerEvent, void>, relay: Relay): ReadableStream<Uint8Array> {
  const { identity, includeUsage, stop, signal, pingMs = PING_INTERVAL_MS } = relay;
  const utf8 = new TextEncoder();
  let next: Promise<IteratorResult<AnswerEvent, void>> | undefined;
  const begun = new Set<number>();

  async function pull(client: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    const write = (text: string) => client.enqueue(utf8.encode(text));
    const begin = (index: number) => {
      if (!begun.has(index)) {
        begun.add(index);
        write(encodeEvent(roleChunk(identity, { includeUsage, index })));
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
      const event = result.value;
      if (event.kind !== 'end') {
        const { index, logprobs } = event;
        begin(index);
        const listed = logprobs.length === 0 ? {} : { logprobs };
        write(encodeEvent(deltaChunk(identity, event, { includeUsage, index, ...listed })));
        return;
      }
      for (const [index, reason] of event.finishReasons.entries()) {
        begin(index);
        write(encodeEvent(finishChunk(identity, reason, { includeUsage, index })));
      }
      if (includeUsage && event.usage !== null) {
        write(encodeEvent(usageChunk(identity, event.usage)));
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
