import * as z from 'zod';
import { UPSTREAM_MESSAGE_MAX_CHARS } from '../src/core/limits.ts';
import type { FinishReason, Usage } from '../src/core/protocol/chat-response.ts';
import { RequestError } from '../src/core/protocol/failure.ts';
import { DONE_DATA, parseEvents } from '../src/core/protocol/sse.ts';

/** An answer as it arrives: pieces of text, then one end. An answer without an end is a failure, never a short answer. */
export type AnswerEvent = { kind: 'text'; text: string } | { kind: 'end'; finishReason: FinishReason; usage: Usage };

/** Lenient where nothing depends on it: engines add fields. */
const chunkSchema = z.object({
  choices: z.array(
    z.object({
      index: z.literal(0).default(0),
      delta: z.object({ content: z.string().nullable().default('') }).default({ content: '' }),
      finish_reason: z.enum(['stop', 'length', 'content_filter']).nullable().default(null),
    }),
  ),
  usage: z
    .object({ prompt_tokens: z.int().nonnegative(), completion_tokens: z.int().nonnegative() })
    .nullable()
    .default(null),
});

const errorSchema = z.object({ error: z.object({ message: z.string() }) });

/**
 * Reads an upstream's event stream.
 *
 * The end is yielded only when all of it is proven: a finish reason, usage, and a prompt that is at least as long as its
 * images. Some servers drop parts that they do not know, and then answer about a picture they have never seen.
 *
 * @param imageTokens prompt tokens that the images must have become.
 * @throws RequestError `upstream-broke`: cut, reset, malformed chunk, error event, no finish reason, dropped image.
 */
export async function* readAnswer(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  imageTokens: number,
): AsyncGenerator<AnswerEvent, void> {
  let finishReason: FinishReason | null = null;
  let usage: Usage | null = null;
  for await (const data of readEvents(body)) {
    if (data === DONE_DATA) {
      break;
    }
    const chunk = parseChunk(data);
    usage = chunk.usage === null ? usage : toUsage(chunk.usage);
    for (const { delta, finish_reason } of chunk.choices) {
      const text = delta.content ?? '';
      if (finishReason !== null && (text !== '' || finish_reason !== null)) {
        throw broke('The model server went on after the end of its answer');
      }
      if (text !== '') {
        yield { kind: 'text', text };
      }
      finishReason = finish_reason ?? finishReason;
    }
  }
  if (finishReason === null) {
    throw broke('The answer was cut off before its end');
  }
  if (usage === null) {
    throw broke('The model server did not report usage, so whether it saw the whole prompt is unknown');
  }
  if (usage.promptTokens < imageTokens) {
    throw broke(
      `The model server counted ${usage.promptTokens} prompt tokens, fewer than the ${imageTokens} of the images: it dropped one`,
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
  const error = errorSchema.safeParse(json);
  if (error.success) {
    const said = error.data.error.message.slice(0, UPSTREAM_MESSAGE_MAX_CHARS);
    throw new RequestError({ kind: 'upstream-broke', message: 'The model server failed', said });
  }
  const chunk = chunkSchema.safeParse(json);
  if (!chunk.success) {
    throw broke('The model server sent a malformed chunk', chunk.error);
  }
  return chunk.data;
}

function toUsage(usage: { prompt_tokens: number; completion_tokens: number }): Usage {
  return { promptTokens: usage.prompt_tokens, completionTokens: usage.completion_tokens };
}

function broke(message: string, cause?: unknown): RequestError {
  return new RequestError({ kind: 'upstream-broke', message }, { cause });
}
