import * as z from 'zod';
import { FINISH_WORD_MAX_CHARS } from '../src/core/limits.ts';
import type { FinishReason, Usage } from '../src/core/protocol/chat-response.ts';
import { RequestError } from '../src/core/protocol/failure.ts';
import { DONE_DATA, parseEvents } from '../src/core/protocol/sse.ts';
import { readErrorObject } from '../src/core/upstream/error-object.ts';
import { finishReasonOf } from '../src/core/upstream/finish-reason.ts';

/** An answer as it arrives: pieces of text, then one end. An answer without an end is a failure, never a short answer. */
export type AnswerEvent =
  | { kind: 'text'; text: string }
  /** @property usage null only from an upstream that is declared to count nothing. */
  | { kind: 'end'; finishReason: FinishReason; usage: Usage | null };

/** What an answer must hold to be whole. */
export interface Expected {
  /** Prompt tokens that the images must have become. */
  imageTokens: number;
  /** Whether upstream must count its tokens. */
  usage: boolean;
}

/** Lenient where nothing depends on it: engines add fields, leave out empty ones, and write a null or nothing for none. */
const chunkSchema = z.object({
  choices: z
    .array(
      z.object({
        index: z.literal(0).default(0),
        delta: z.object({ content: z.string().nullish() }).nullish(),
        finish_reason: z.string().nullish(),
      }),
    )
    .nullish(),
  usage: z
    .object({ prompt_tokens: z.int().nonnegative(), completion_tokens: z.int().nonnegative() })
    .nullish()
    // Some write an empty object until they know; whether it was ever known is asked at the end.
    .catch(null),
});

/**
 * Reads an upstream's event stream.
 *
 * The end is yielded only when all of it is proven: a finish reason, usage, and a prompt that is at least as long as its
 * images. Some servers drop parts that they do not know, and then answer about a picture they have never seen.
 *
 * @param onChunk told of each chunk, those without text too, and of upstream's count so far.
 * @throws RequestError `upstream-broke`: cut, reset, malformed chunk, error event, no finish reason, dropped image.
 */
export async function* readAnswer(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  expected: Expected,
  onChunk: (usage: Usage | null) => void = () => {},
): AsyncGenerator<AnswerEvent, void> {
  let finishReason: FinishReason | null = null;
  let usage: Usage | null = null;
  for await (const data of readEvents(body)) {
    if (data === DONE_DATA) {
      break;
    }
    const chunk = parseChunk(data);
    usage = chunk.usage ? toUsage(chunk.usage) : usage;
    onChunk(usage);
    for (const { delta, finish_reason } of chunk.choices ?? []) {
      const text = delta?.content ?? '';
      const reason = finish_reason ? readReason(finish_reason) : null;
      if (finishReason !== null && (text !== '' || reason !== null)) {
        throw broke('The model server went on after the end of its answer');
      }
      if (text !== '') {
        yield { kind: 'text', text };
      }
      finishReason = reason ?? finishReason;
    }
  }
  if (finishReason === null) {
    throw broke('The answer was cut off before its end');
  }
  if (usage === null && expected.usage) {
    throw broke('The model server did not report usage, so whether it saw the whole prompt is unknown');
  }
  if (usage !== null && usage.promptTokens < expected.imageTokens) {
    throw broke(
      `The model server counted ${usage.promptTokens} prompt tokens, fewer than the ${expected.imageTokens} of the images: it dropped one`,
    );
  }
  yield { kind: 'end', finishReason, usage };
}

async function* readEvents(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string, void> {
  try {
    yield* parseEvents(body);
  } catch (cause) {
    throw broke('The connection to the model server broke', cause);
  }
}

function parseChunk(data: string): z.infer<typeof chunkSchema> {
  let json: unknown;
  try {
    json = JSON.parse(data);
  } catch (cause) {
    throw broke('The model server sent a malformed chunk', cause);
  }
  const error = readErrorObject(json);
  if (error !== null) {
    throw broke(`The model server failed: ${error.message}`);
  }
  const chunk = chunkSchema.safeParse(json);
  if (!chunk.success) {
    throw broke('The model server sent a malformed chunk', chunk.error);
  }
  return chunk.data;
}

function readReason(word: string): FinishReason {
  const reason = finishReasonOf(word);
  if (reason === null) {
    throw broke(`The model server ended its answer with '${word.slice(0, FINISH_WORD_MAX_CHARS)}'`);
  }
  return reason;
}

function toUsage(usage: { prompt_tokens: number; completion_tokens: number }): Usage {
  return { promptTokens: usage.prompt_tokens, completionTokens: usage.completion_tokens };
}

function broke(message: string, cause?: unknown): RequestError {
  return new RequestError({ kind: 'upstream-broke', message }, { cause });
}
