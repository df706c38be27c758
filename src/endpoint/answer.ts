import { PING_INTERVAL_MS } from '../core/limits.ts';
import { buildChoice, type Choice, type TokenLogprob } from '../core/protocol/answer-delta.ts';
import {
  type ChatCompletion,
  type ChatCompletionChunk,
  completion,
  deltaChunk,
  finishChunk,
  type ResponseIdentity,
  roleChunk,
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
  readonly choices: number;
  /** Whether tokens are listed. */
  readonly logprobs: boolean;
  /** One output for each generated token, of any choice. */
  readonly outputs: ReadableStream<Output>;
  readonly stopwatch: Stopwatch;
}

/**
 * The whole answer. When `signal` aborts, the engine drops it and the promise rejects.
 *
 * @throws RequestError when the engine failed.
 */
export async function collectAnswer(answer: Answer, signal: AbortSignal): Promise<ChatCompletion> {
  const builders = Array.from({ length: answer.choices }, () => buildChoice(answer.logprobs));
  const choices: Choice[] = [];
  let [completionTokens, cachedTokens] = [0, 0];
  await answer.outputs.pipeTo(
    new WritableStream({
      write({ index, reused, deltas, tokens, finishReason }) {
        answer.stopwatch.token();
        completionTokens++;
        cachedTokens = Math.max(cachedTokens, reused);
        const builder = builders[index];
        deltas.forEach((delta) => builder?.add(delta));
        builder?.list(tokens, 'text');
        if (builder !== undefined && finishReason !== null) {
          choices[index] = builder.finish(finishReason);
        }
      },
    }),
    { signal },
  );
  return completion(answer.identity, choices, {
    promptTokens: answer.promptTokens,
    completionTokens,
    cachedTokens,
  });
}

/**
 * The answer as server-sent events: the roles, text and tool calls as they come, the finish of each choice, usage if
 * asked for, `[DONE]`.
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
  /** Tokens of each choice that wait for a chunk to go with: those that made no text, such as the marks of a call. */
  const unlisted = new Map<number, TokenLogprob[]>();
  let [completionTokens, cachedTokens] = [0, 0];
  let ping: NodeJS.Timeout | undefined;
  let left = false;

  /** What the next token shows; tokens that show nothing are passed over. */
  async function next(): Promise<{ events: string; last: boolean }> {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        const usage = { promptTokens: answer.promptTokens, completionTokens, cachedTokens };
        const counted = includeUsage ? encodeEvent(usageChunk(identity, usage)) : '';
        return { events: `${counted}: server-timing ${stopwatch.serverTiming()}\n\n${DONE}`, last: true };
      }
      stopwatch.token();
      completionTokens++;
      cachedTokens = Math.max(cachedTokens, value.reused);
      const events = chunksOf(value).map(encodeEvent).join('');
      if (events !== '') {
        return { events, last: false };
      }
    }
  }

  function chunksOf({ index, deltas, tokens, finishReason }: Output): ChatCompletionChunk[] {
    const listed = [...(unlisted.get(index) ?? []), ...tokens];
    const pieces = [...deltas, ...(finishReason === null ? [] : [finishReason])];
    unlisted.set(index, pieces.length === 0 ? listed : []);
    return pieces.map((piece, at) => {
      const options = { includeUsage, index, ...(at === 0 && listed.length > 0 ? { logprobs: listed } : {}) };
      return typeof piece === 'string' ? finishChunk(identity, piece, options) : deltaChunk(identity, piece, options);
    });
  }

  function broken(error: unknown): { events: string; last: boolean } {
    return { events: encodeEvent(toWireError(reportFailure(error, requestId)).body), last: true };
  }

  return new ReadableStream<Uint8Array>({
    start(controller) {
      for (let index = 0; index < answer.choices; index++) {
        controller.enqueue(utf8.encode(encodeEvent(roleChunk(identity, { includeUsage, index }))));
      }
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
