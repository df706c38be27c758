import { PING_INTERVAL_MS, UPSTREAM_IDLE_TIMEOUT_MS } from '../src/core/limits.ts';
import type { StreamWriter } from '../src/core/protocol/answer-form.ts';
import {
  finishChunk,
  type ResponseIdentity,
  roleChunk,
  textChunk,
  usageChunk,
} from '../src/core/protocol/chat-response.ts';
import { RequestError } from '../src/core/protocol/failure.ts';
import { PING } from '../src/core/protocol/sse.ts';
import { errorBody } from './error-response.ts';
import { orTimeout } from './or-timeout.ts';
import type { RequestEnd } from './request-record.ts';
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
  /** Silence after which a ping is sent. */
  pingMs?: number;
  /** Silence of upstream after which the answer counts as broken. */
  idleMs?: number;
}

/**
 * An answer as an event stream.
 *
 * Pulled by the client: a slow reader slows upstream down. A failure becomes an error event without `[DONE]`, the one
 * signal that every measured client takes for an error. Finish reason, usage and `[DONE]` are sent together, after
 * the answer is proven whole. Comments fill the silence: they keep proxies open, and writing one is how workerd finds
 * out that a client has left before the first token.
 */
export function relayAnswer(answer: AsyncIterator<AnswerEvent, void>, relay: Relay): ReadableStream<Uint8Array> {
  const { identity, writer, stop, signal, pingMs = PING_INTERVAL_MS, idleMs = UPSTREAM_IDLE_TIMEOUT_MS } = relay;
  const options = { includeUsage: relay.includeUsage };
  const utf8 = new TextEncoder();
  let next: Promise<IteratorResult<AnswerEvent, void>> | undefined;
  let silentMs = 0;
  let started = false;
  let open = true;
  let bytesOut = 0;

  /** Waits for one event, or for a while, and gives what the client is to be sent: sometimes nothing. */
  async function step(): Promise<string> {
    next ??= answer.next();
    const result = await orTimeout(next, pingMs);
    if (result === null) {
      silentMs += pingMs;
      if (silentMs >= idleMs) {
        throw new RequestError({ kind: 'upstream-broke', message: `The model server was silent for ${silentMs} ms` });
      }
      return PING;
    }
    next = undefined;
    silentMs = 0;
    if (result.done === true) {
      throw new TypeError('an answer went on after its end');
    }
    const event = result.value;
    const head = started ? '' : writer.chunk(roleChunk(identity, options));
    started = true;
    if (event.kind === 'text') {
      return head + writer.chunk(textChunk(identity, event.text, options));
    }
    const last = writer.chunk(finishChunk(identity, event.finishReason, options));
    const usage = options.includeUsage ? writer.chunk(usageChunk(identity, event.usage)) : '';
    open = false;
    return head + last + usage + writer.done();
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
        relay.onEnd({ how: 'answered', status: 200 }, bytesOut);
      }
    } catch (error) {
      if (signal.aborted) {
        // The client has left; what broke is its own doing and nobody reads the rest.
        relay.onEnd({ how: 'left' }, bytesOut);
        return;
      }
      stop.abort();
      write(writer.failure(errorBody(error)));
      client.close();
      relay.onEnd({ how: 'failed', status: 200, error }, bytesOut);
    }
  }

  function cancel(): void {
    stop.abort();
    relay.onEnd({ how: 'left' }, bytesOut);
  }

  return new ReadableStream({ pull, cancel }, { highWaterMark: 0 });
}
