import * as z from 'zod';
import { orderFaults } from '../conformance/chat-order.ts';

/**
 * What OpenAI's published schema says of its responses (github.com/openai/openai-openapi, openapi.yaml of 2026-08-21:
 * CreateChatCompletionResponse, CreateChatCompletionStreamResponse, ErrorResponse, Model, ListModelsResponse and what they
 * refer to), as far as this project sends it: required keys are required, and keys that OpenAI does not know are faults.
 */

const bytes = z.array(z.int().min(0).max(255)).nullable();
const chance = z.strictObject({ token: z.string(), logprob: z.number().max(0), bytes });
const tokenLogprob = z.strictObject({ ...chance.shape, top_logprobs: z.array(chance).max(20) });
const logprobs = z
  .strictObject({ content: z.array(tokenLogprob).nullable(), refusal: z.array(tokenLogprob).nullable() })
  .nullable();

const finishReason = z.enum(['stop', 'length', 'tool_calls', 'content_filter', 'function_call']);
const usage = z
  .strictObject({
    prompt_tokens: z.int().nonnegative(),
    completion_tokens: z.int().nonnegative(),
    total_tokens: z.int().nonnegative(),
    prompt_tokens_details: z.strictObject({ cached_tokens: z.int().positive() }).optional(),
  })
  .refine((counts) => counts.total_tokens === counts.prompt_tokens + counts.completion_tokens);

const toolCall = z.strictObject({
  id: z.string().min(1),
  type: z.literal('function'),
  function: z.strictObject({ name: z.string().min(1), arguments: z.string() }),
});

const identity = { id: z.string().startsWith('chatcmpl-'), created: z.int().positive(), model: z.string().min(1) };

export const chatCompletion = z.strictObject({
  ...identity,
  object: z.literal('chat.completion'),
  choices: z
    .array(
      z.strictObject({
        index: z.int(),
        finish_reason: finishReason,
        logprobs,
        message: z
          .strictObject({
            role: z.literal('assistant'),
            content: z.string().nullable(),
            refusal: z.string().nullable(),
            tool_calls: z.array(toolCall).min(1).optional(),
          })
          .refine(
            ({ content, refusal, tool_calls: calls }) => content !== null || refusal !== null || calls !== undefined,
          ),
      }),
    )
    .min(1)
    .refine((choices) => choices.every(({ index }, at) => index === at)),
  usage,
});

const toolCallChunk = z.strictObject({
  index: z.int().nonnegative(),
  id: z.string().min(1).optional(),
  type: z.literal('function').optional(),
  function: z.strictObject({ name: z.string().min(1).optional(), arguments: z.string().optional() }).optional(),
});

export const chatCompletionChunk = z.strictObject({
  ...identity,
  object: z.literal('chat.completion.chunk'),
  choices: z.array(
    z.strictObject({
      index: z.int().nonnegative(),
      delta: z.strictObject({
        role: z.literal('assistant').optional(),
        content: z.string().nullable().optional(),
        refusal: z.string().nullable().optional(),
        tool_calls: z.array(toolCallChunk).min(1).optional(),
      }),
      finish_reason: finishReason.nullable(),
      logprobs,
    }),
  ),
  usage: usage.nullable().optional(),
});

export const errorResponse = z.strictObject({
  error: z.strictObject({
    message: z.string().min(1),
    type: z.string().min(1),
    param: z.string().nullable(),
    code: z.string().nullable(),
  }),
});

const model = z.strictObject({
  id: z.string().min(1),
  object: z.literal('model'),
  created: z.int().positive(),
  owned_by: z.string(),
});

export const modelList = z.strictObject({ object: z.literal('list'), data: z.array(model) });

export type Chunk = z.output<typeof chatCompletionChunk>;

/**
 * The chunks of a whole stream, each by its schema and all by their order, with as many choices as were asked for, and
 * usage only where it was.
 *
 * @param text the body of the response.
 */
export function checkStream(text: string, asked: { choices: number; usage: boolean }): Chunk[] {
  const data = text
    .split('\n\n')
    .filter((block) => block !== '' && !block.startsWith(':'))
    .map((block) => z.string().startsWith('data: ').parse(block).slice('data: '.length));
  z.literal('[DONE]').parse(data.pop());
  const chunks = data.map((json) => chatCompletionChunk.parse(JSON.parse(json)));
  const indexes = new Set(chunks.flatMap(({ choices }) => choices.map(({ index }) => index)));
  const faults = [
    ...orderFaults(chunks, true),
    ...(chunks.every((chunk) => 'usage' in chunk === asked.usage) ? [] : ['usage unasked, or left out']),
    ...(indexes.size === asked.choices && Math.max(...indexes) < asked.choices ? [] : ['other choices than asked for']),
  ];
  if (faults.length > 0) {
    throw new Error(`not OpenAI's stream: ${faults.join('; ')}`);
  }
  return chunks;
}
