import * as z from 'zod';
import type { ChatCompletion, ChatCompletionChunk, Model, ModelList, WireUsage } from './chat-response.ts';
import type { OpenAIError } from './failure.ts';

/**
 * The answers of chat-response.ts and failure.ts as schemas, for the API's description and for tests. Each is declared
 * as a schema of the builders' own type, so that the compiler finds where one of the two was changed alone.
 */

const count = z.int().nonnegative();

export const usageSchema: z.ZodType<WireUsage> = z.strictObject({
  prompt_tokens: count.describe('Text and image tokens of the prompt'),
  completion_tokens: count,
  total_tokens: count,
});

const finishReason = z.enum(['stop', 'length', 'content_filter']).describe('length: cut at the requested length');

const identity = {
  id: z.string(),
  created: count.describe('Unix time in seconds'),
  model: z.string(),
};

export const chatCompletionSchema: z.ZodType<ChatCompletion> = z.strictObject({
  ...identity,
  object: z.literal('chat.completion'),
  choices: z.array(
    z.strictObject({
      index: z.literal(0),
      message: z.strictObject({ role: z.literal('assistant'), content: z.string(), refusal: z.null() }),
      finish_reason: finishReason,
      logprobs: z.null(),
    }),
  ),
  usage: usageSchema,
});

export const chatChunkSchema: z.ZodType<ChatCompletionChunk> = z.strictObject({
  ...identity,
  object: z.literal('chat.completion.chunk'),
  choices: z.array(
    z.strictObject({
      index: z.literal(0),
      delta: z.strictObject({ role: z.literal('assistant').exactOptional(), content: z.string().exactOptional() }),
      finish_reason: finishReason.nullable().describe('Null until the last chunk of the choice'),
      logprobs: z.null(),
    }),
  ),
  usage: usageSchema
    .nullable()
    .exactOptional()
    .describe('Only with stream_options.include_usage: null until the last chunk'),
});

export const modelSchema: z.ZodType<Model> = z.strictObject({
  id: z.string(),
  object: z.literal('model'),
  created: count,
  owned_by: z.string(),
});

export const modelListSchema: z.ZodType<ModelList> = z.strictObject({
  object: z.literal('list'),
  data: z.array(modelSchema),
});

export const errorSchema: z.ZodType<OpenAIError> = z.strictObject({
  error: z.strictObject({
    message: z.string(),
    type: z.string(),
    param: z.string().nullable().describe('The field or part at fault, e.g. messages[0].content[1].image_url.url'),
    code: z.string().nullable(),
  }),
});
