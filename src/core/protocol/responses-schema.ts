import * as z from 'zod';

/**
 * The response object of the Responses API as this server fills it (openai-openapi: Response): one message of one text,
 * and what of the request is repeated. Fields of features that are lacking hold the value that says so.
 */

const outputText = z.strictObject({
  type: z.literal('output_text'),
  text: z.string(),
  annotations: z.array(z.never()),
  logprobs: z.array(z.never()),
});

const outputMessage = z.strictObject({
  id: z.string(),
  type: z.literal('message'),
  role: z.literal('assistant'),
  status: z.enum(['in_progress', 'completed', 'incomplete']),
  content: z.array(outputText),
});

const usage = z.strictObject({
  input_tokens: z.int(),
  input_tokens_details: z.strictObject({ cached_tokens: z.int().nonnegative(), cache_write_tokens: z.literal(0) }),
  output_tokens: z.int(),
  output_tokens_details: z.strictObject({ reasoning_tokens: z.literal(0) }),
  total_tokens: z.int(),
});

export const responseSchema = z.strictObject({
  id: z.string(),
  object: z.literal('response'),
  created_at: z.int().describe('Unix time in seconds'),
  completed_at: z.int().nullable(),
  status: z.enum(['in_progress', 'completed', 'incomplete', 'failed']),
  background: z.literal(false),
  error: z.strictObject({ code: z.literal('server_error'), message: z.string() }).nullable(),
  incomplete_details: z.strictObject({ reason: z.enum(['max_output_tokens', 'content_filter']) }).nullable(),
  instructions: z.string().nullable(),
  max_output_tokens: z.int().nullable(),
  max_tool_calls: z.null(),
  metadata: z.record(z.string(), z.string()),
  model: z.string(),
  output: z.array(outputMessage),
  parallel_tool_calls: z.literal(true),
  previous_response_id: z.null(),
  prompt_cache_key: z.string().nullable(),
  reasoning: z.strictObject({ effort: z.null(), summary: z.null() }),
  safety_identifier: z.string().nullable(),
  service_tier: z.literal('default'),
  store: z.literal(false),
  temperature: z.number().nullable().describe('Null: the default of the model'),
  text: z.strictObject({ format: z.strictObject({ type: z.literal('text') }) }),
  tool_choice: z.literal('auto'),
  tools: z.array(z.never()),
  top_logprobs: z.literal(0),
  top_p: z.number().nullable().describe('Null: the default of the model'),
  truncation: z.literal('disabled'),
  usage: usage.exactOptional().describe('Once the answer has ended'),
  user: z.string().exactOptional(),
});

/** Any event of a streamed response. Each type's own fields are those of OpenAI's Responses API. */
export const responseEventSchema = z.looseObject({
  type: z.enum([
    'response.created',
    'response.in_progress',
    'response.output_item.added',
    'response.content_part.added',
    'response.output_text.delta',
    'response.output_text.done',
    'response.content_part.done',
    'response.output_item.done',
    'response.completed',
    'response.incomplete',
    'response.failed',
    'error',
  ]),
  sequence_number: z.int().nonnegative(),
});

export type ResponseObject = z.infer<typeof responseSchema>;
export type OutputMessage = z.infer<typeof outputMessage>;
export type OutputText = z.infer<typeof outputText>;
export type ResponseUsage = z.infer<typeof usage>;
export type ResponseEventType = z.infer<typeof responseEventSchema>['type'];
