import { PING_INTERVAL_MS } from '../core/limits.ts';
import {
  type ChatCompletion,
  completion,
  finishChunk,
  type FinishReason,
  type ResponseIdentity,
  roleChunk,
  textChunk,
  usageChunk,
} from '../core/protocol/chat-response.ts';
import { toWireError } from '../core/protocol/failure.ts';
import { DONE, encodeEvent, PING } from '../core/protocol/sse.ts';
import type { Output } from './engine.ts';
import { reportFailure } from './report-failure.ts';
import type { Stopwatch } from './stopwatch.ts';

/** An answer that the engine is making. */
export interface Answer {
  readonly identity: ResponseIdentity;
  readonly promptTokens: number;
  /** One output for each generated token. */
  readonly outputs: ReadableStream<Output>;
  readonly stopwatch: Stopwatch;
}

/**
 * The whole answer. When `signal` aborts, the engine drops it and the promise rejects.
 *
 * @throws RequestError when the engine failed.
 */
export async function collectAnswer(answer: Answer, signal: AbortSignal): Promise<ChatCompletion> {
  let text = '';
  let completionTokens = 0;
  let finishReason: FinishReason = 'length';
  await answer.outputs.pipeTo(
    new WritableStream({
      write(output) {
        answer.stopwatch.token();
        text += output.text;
        completionTokens++;
        finishReason = output.finishReason ?? finishReason;
      },
    }),
    { signal },
  );
  const usage = { promptTokens: answer.promptTokens, completionTokens };
  return completion(answer.identity, { text, finishReason, usage });
}

/**
 * The answer as server-sent events: the role, text as it comes, the finish, usage if asked for, `[DONE]`.
 *
 * An engine failure becomes an event with an error and no `[DONE]`: the one sign of a broken answer that every client
 * heeds. Cancelling the stream makes the engine drop the answer at once.
 */
export function streamAnswer(
  answer: Answer,
  { includeUsage, requestId }: { includeUsage: boolean; requestId: string },
): ReadableStream<Uint8Array> {
  const { identity, stopwatch } = answer;
  const reader = answer.outputs.getReader();
  const utf8 = new TextEncoder();
  let completionTokens = 0;
  let ping: NodeJS.Timeout | undefined;
  let left = false;

  /** What the next token shows; tokens that show nothing are passed over. */
  async function next(): Promise<{ events: string; last: boolean }> {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        const usage = { promptTokens: answer.promptTokens, completionTokens };
        const counted = includeUsage ? encodeEvent(usageChunk(identity, usage)) : '';
        return { events: `${counted}: server-timing ${stopwatch.serverTiming()}\n\n${DONE}`, last: true };
      }
      stopwatch.token();
      completionTokens++;
      const text = value.text === '' ? '' : encodeEvent(textChunk(identity, value.text, { includeUsage }));
      const finish =
        value.finishReason === null ? '' : encodeEvent(finishChunk(identity, value.finishReason, { includeUsage }));
      if (text !== '' || finish !== '') {
        return { events: text + finish, last: false };
      }
    }
  }

  function broken(error: unknown): { events: string; last: boolean } {
    return { events: encodeEvent(toWireError(reportFailure(error, requestId)).body), last: true };
  }

  return new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(utf8.encode(encodeEvent(roleChunk(identity, { includeUsage }))));
      ping = setInterval(() => {
        // A client that reads nothing would only pile them up.
        if ((controller.desiredSize ?? 0) > 0) {
          controller.enqueue(utf8.encode(PING));
        }
      }, PING_INTERVAL_MS);
    },
    async pull(controller) {
      const { events, last } = await next().catch(broken);
      if (left) {
        return;
      }
      controller.enqueue(utf8.encode(events));
      ping?.refresh();
      if (last) {
        clearInterval(ping);
        controller.close();
      }
    },
    cancel(reason) {
      left = true;
      clearInterval(ping);
      return reader.cancel(reason);
    },
  });
}
