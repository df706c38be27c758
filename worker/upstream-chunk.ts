import * as z from 'zod';
import type { Usage } from '../src/core/protocol/answer-delta.ts';
import { RequestError } from '../src/core/protocol/failure.ts';
import { readErrorObject } from '../src/core/upstream/error-object.ts';

/** One chunk of an upstream's answer; lenient where nothing depends on it: engines add fields, and leave out empty ones. */
export interface UpstreamChunk {
  choices: UpstreamChoice[];
  /** Some write an empty object until they know; whether it was ever known is asked at the end. */
  usage: Usage | null;
}
export type UpstreamChoice = z.output<typeof choice> & { index: number };
export type UpstreamCall = z.output<typeof toolCall>;

const chance = z.object({
  token: z.string(),
  logprob: z.number(),
  bytes: z.array(z.int().min(0).max(255)).nullable().default(null),
});

const tokens = z
  .array(
    chance.extend({
      top_logprobs: z
        .array(chance)
        .nullish()
        .transform((list) => list ?? []),
    }),
  )
  .nullish()
  .transform((list) => list ?? []);

/** A count from 0; some servers leave it out where there is only one. */
const index = z
  .int()
  .nonnegative()
  .nullish()
  .transform((value) => value ?? 0);

const toolCall = z.object({
  index,
  id: z.string().nullish(),
  function: z.object({ name: z.string().nullish(), arguments: z.string().nullish() }).nullish(),
});

/** Each layer of a schema costs every token some microseconds, so what most chunks have is read by few. */
const choice = z.object({
  index: z.int().nonnegative().nullish(),
  delta: z
    .object({
      content: z.string().nullish(),
      refusal: z.string().nullish(),
      tool_calls: z.array(toolCall).nullish(),
    })
    .nullish(),
  finish_reason: z.string().nullish(),
  logprobs: z.object({ content: tokens, refusal: tokens }).nullish(),
});

const chunkSchema = z.object({ choices: z.array(choice).nullish(), usage: z.unknown().optional() });

const usageSchema = z
  .object({
    prompt_tokens: z.int().nonnegative(),
    completion_tokens: z.int().nonnegative(),
    prompt_tokens_details: z.object({ cached_tokens: z.int().nonnegative() }).nullish().catch(null),
  })
  .transform((usage): Usage => ({
    promptTokens: usage.prompt_tokens,
    completionTokens: usage.completion_tokens,
    ...cachedOf(usage.prompt_tokens_details?.cached_tokens),
  }))
  .nullable()
  .catch(null);

function cachedOf(tokens = 0): Pick<Usage, 'cachedTokens'> {
  return tokens === 0 ? {} : { cachedTokens: tokens };
}

/** @throws RequestError `upstream-broke`: not JSON, another shape, or an error that upstream reports. */
export function parseChunk(data: string): UpstreamChunk {
  let json: unknown;
  try {
    json = JSON.parse(data);
  } catch (cause) {
    throw broke('The model server sent a malformed chunk', cause);
  }
  const error = readErrorObject(json);
  if (error !== null) {
    throw new RequestError({ kind: 'upstream-broke', message: 'The model server failed', said: error.message });
  }
  const chunk = chunkSchema.safeParse(json);
  if (!chunk.success) {
    throw broke('The model server sent a malformed chunk', chunk.error);
  }
  const { choices, usage } = chunk.data;
  return {
    choices: (choices ?? []).map((one) => ({ ...one, index: one.index ?? 0 })),
    usage: usage === null || usage === undefined ? null : usageSchema.parse(usage),
  };
}

export function broke(message: string, cause?: unknown): RequestError {
  return new RequestError({ kind: 'upstream-broke', message }, { cause });
}
