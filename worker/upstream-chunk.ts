import * as z from 'zod';
import type { Usage } from '../src/core/protocol/answer-delta.ts';
import { RequestError } from '../src/core/protocol/failure.ts';
import type { JsonObject } from '../src/core/protocol/json-object.ts';
import { readErrorObject } from '../src/core/upstream/error-object.ts';

/** One chunk of an upstream's answer; lenient where nothing depends on it: engines add fields, and leave out empty ones. */
export interface UpstreamChunk {
  choices: UpstreamChoice[];
  /** Some write an empty object until they know; whether it was ever known is asked at the end. */
  usage: Usage | null;
}

export interface UpstreamChoice {
  index: number;
  content: string;
  refusal: string;
  calls: UpstreamCall[];
  /** In upstream's own words; empty until the choice ends. */
  finishReason: string;
  logprobs: z.output<typeof logprobs>;
}

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

const toolCall = z.object({
  index: z
    .int()
    .nonnegative()
    .nullish()
    .transform((value) => value ?? 0),
  id: z.string().nullish(),
  function: z.object({ name: z.string().nullish(), arguments: z.string().nullish() }).nullish(),
});

const toolCalls = z.array(toolCall);
const logprobs = z.object({ content: tokens, refusal: tokens });
const NO_LOGPROBS: z.output<typeof logprobs> = { content: [], refusal: [] };

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
  const json = unlessMalformed(() => JSON.parse(data) as unknown);
  const error = readErrorObject(json);
  if (error !== null) {
    throw new RequestError({ kind: 'upstream-broke', message: 'The model server failed', said: error.message });
  }
  return unlessMalformed(() => {
    const { choices, usage } = fields(json);
    return {
      choices: isAbsent(choices) ? [] : list(choices).map(readChoice),
      usage: isAbsent(usage) ? null : usageSchema.parse(usage),
    };
  });
}

/** By hand, but for what few chunks have: each layer of a schema would cost every token some microseconds. */
function readChoice(choice: unknown): UpstreamChoice {
  const { index, delta, finish_reason: reason, logprobs: listed } = fields(choice);
  const { content, refusal, tool_calls: calls } = isAbsent(delta) ? NO_FIELDS : fields(delta);
  return {
    index: isAbsent(index) ? 0 : count(index),
    content: text(content),
    refusal: text(refusal),
    calls: isAbsent(calls) ? [] : toolCalls.parse(calls),
    finishReason: text(reason),
    logprobs: isAbsent(listed) ? NO_LOGPROBS : logprobs.parse(listed),
  };
}

const NO_FIELDS: JsonObject = {};

function isAbsent(value: unknown): value is null | undefined {
  return value === null || value === undefined;
}

function fields(value: unknown): JsonObject {
  if (typeof value !== 'object' || value === null) {
    throw new TypeError('expected an object');
  }
  return value as JsonObject;
}

function list(value: unknown): unknown[] {
  if (!Array.isArray(value)) {
    throw new TypeError('expected a list');
  }
  return value;
}

function count(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw new TypeError('expected a count');
  }
  return value;
}

/** Empty where it is absent: nobody asks which of both it was. */
function text(value: unknown): string {
  if (!isAbsent(value) && typeof value !== 'string') {
    throw new TypeError('expected a text');
  }
  return value ?? '';
}

function unlessMalformed<Read>(read: () => Read): Read {
  try {
    return read();
  } catch (cause) {
    throw broke('The model server sent a malformed chunk', cause);
  }
}

export function broke(message: string, cause?: unknown): RequestError {
  return new RequestError({ kind: 'upstream-broke', message }, { cause });
}
