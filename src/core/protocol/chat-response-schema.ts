import * as z from 'zod';
import { FINISH_REASONS } from './answer-delta.ts';
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
  prompt_tokens_details: z
    .strictObject({ cached_tokens: count.describe('Not computed anew: an earlier prompt began with them') })
    .exactOptional(),
});

const finishReason = z.enum(FINISH_REASONS).describe('length: cut at the requested length');

const chance = z.strictObject({
  token: z.string(),
  logprob: z.number(),
  bytes: z.array(count).nullable().describe('UTF-8; null for a token that is no text'),
});
const listed = z.array(chance.extend({ top_logprobs: z.array(chance) })).nullable();
const logprobs = z.strictObject({ content: listed, refusal: listed }).nullable();

const toolCall = z.strictObject({
  id: z.string(),
  type: z.literal('function'),
  function: z.strictObject({ name: z.string(), arguments: z.string().describe('JSON') }),
});

const toolCallDelta = z.strictObject({
  index: count,
  id: z.string().exactOptional().describe('With the first delta of a call, as type and name'),
  type: z.literal('function').exactOptional(),
  function: z.strictObject({
    name: z.string().exactOptional(),
    arguments: z.string().describe('A piece of JSON, to be appended'),
  }),
});

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
      index: count,
      message: z.strictObject({
        role: z.literal('assistant'),
        content: z.string().nullable(),
        refusal: z.string().nullable(),
        tool_calls: z.array(toolCall).exactOptional(),
      }),
      finish_reason: finishReason,
      logprobs,
    }),
  ),
  usage: usageSchema.exactOptional().describe('Absent only where the model server counts nothing'),
});

export const chatChunkSchema: z.ZodType<ChatCompletionChunk> = z.strictObject({
  ...identity,
  object: z.literal('chat.completion.chunk'),
  choices: z.array(
    z.strictObject({
      index: count,
      delta: z.strictObject({
        role: z.literal('assistant').exactOptional(),
        content: z.string().nullable().exactOptional(),
        refusal: z.string().exactOptional(),
        tool_calls: z.array(toolCallDelta).exactOptional(),
      }),
      finish_reason: finishReason.nullable().describe('Null until the last chunk of the choice'),
      logprobs,
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
