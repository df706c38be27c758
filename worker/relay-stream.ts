import { PING_INTERVAL_MS } from '../src/core/limits.ts';
import type { StreamWriter } from '../src/core/protocol/answer-form.ts';
import {
  deltaChunk,
  finishChunk,
  type ResponseIdentity,
  roleChunk,
  usageChunk,
} from '../src/core/protocol/chat-response.ts';
import { PING } from '../src/core/protocol/sse.ts';
import { errorBody } from './error-response.ts';
import type { RequestEnd } from './request-record.ts';
import { createSilenceTimer } from './silence-timer.ts';
import type { AnswerEvent } from './upstream-answer.ts';

export interface Relay {
  identity: ResponseIdentity;
  includeUsage: boolean;
  /** How chunks are written for this client. */
  writer: StreamWriter;
  /** Stops upstream: the client has left, or the relay gives up. */
  stop: AbortController;
  /** Aborted by `stop` or by the end of the client's request. */
  signal: AbortSignal;
  /** Told when the stream has ended, and how many bytes were written; the first call counts. */
  onEnd(end: RequestEnd, bytesOut: number): void;
  /** Milliseconds. */
  now: () => number;
  /** Silence after which a ping is sent. */
  pingMs?: number;
}

/**
 * An answer as an event stream: each choice begins with its role and ends with its finish reason.
 *
 * Pulled by the client: a slow reader slows upstream down. A failure becomes an error event without `[DONE]`, the one
 * signal that every measured client takes for an error. Finish reasons, usage and `[DONE]` are sent together, after
 * the answer is proven whole. Comments fill the silence: they keep proxies open, and writing one is how workerd finds
 * out that a client has left before the first token.
 */
export function relayAnswer(answer: AsyncIterator<AnswerEvent, void>, relay: Relay): ReadableStream<Uint8Array> {
  const { identity, includeUsage, writer, stop, signal, now, pingMs = PING_INTERVAL_MS } = relay;
  const utf8 = new TextEncoder();
  const begun = new Set<number>();
  const timer = createSilenceTimer(now);
  let next: Promise<IteratorResult<AnswerEvent, void>> | undefined;
  let open = true;
  let bytesOut = 0;

  /** Waits for one event, or for a while, and gives what the client is to be sent: sometimes nothing. */
  async function step(): Promise<string> {
    next ??= answer.next();
    const silentSince = now();
    const result = await timer.wait(next, () => silentSince + pingMs);
    if (result === null) {
      return PING;
    }
    next = undefined;
    if (result.done === true) {
      throw new TypeError('an answer went on after its end');
    }
    const event = result.value;
    if (event.kind !== 'end') {
      const { index, logprobs } = event;
      const listed = logprobs.length === 0 ? {} : { logprobs };
      return begin(index) + writer.chunk(deltaChunk(identity, event, { includeUsage, index, ...listed }));
    }
    open = false;
    const last = event.finishReasons.map(
      (reason, index) => begin(index) + writer.chunk(finishChunk(identity, reason, { includeUsage, index })),
    );
    const usage = includeUsage && event.usage !== null ? writer.chunk(usageChunk(identity, event.usage)) : '';
    return last.join('') + usage + writer.done();
  }

  function begin(index: number): string {
    if (begun.has(index)) {
      return '';
    }
    begun.add(index);
    return writer.chunk(roleChunk(identity, { includeUsage, index }));
  }

  async function pull(client: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    const write = (text: string): void => {
      const bytes = utf8.encode(text);
      bytesOut += bytes.length;
      client.enqueue(bytes);
    };
    try {
      let text = '';
      // A stream is not pulled again by itself when a pull has brought nothing.
      while (open && text === '') {
        text = await step();
      }
      write(text);
      if (!open) {
        client.close();
        tell({ how: 'answered', status: 200 });
      }
    } catch (error) {
      if (signal.aborted) {
        // The client has left; what broke is its own doing and nobody reads the rest.
        left();
        return;
      }
      write(writer.failure(errorBody(error)));
      client.close();
      tell({ how: 'failed', status: 200, error });
      stop.abort();
    }
  }

  function tell(end: RequestEnd): void {
    signal.removeEventListener('abort', left);
    timer.end();
    relay.onEnd(end, bytesOut);
  }

  function left(): void {
    tell({ how: 'left' });
  }

  // A client may leave while nothing is being written for it.
  signal.addEventListener('abort', left, { once: true });
  return new ReadableStream({ pull, cancel: () => stop.abort() }, { highWaterMark: 0 });
}
