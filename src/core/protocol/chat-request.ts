import * as z from 'zod';
import {
  ANSWER_TOKENS_MAX,
  CHOICES_MAX,
  IMAGE_UUID_MAX_CHARS,
  IMAGES_PER_REQUEST_MAX,
  LOGIT_BIAS_ENTRIES_MAX,
  MESSAGES_MAX,
  MODEL_NAME_MAX_CHARS,
  STOP_STRING_MAX_CHARS,
  STOP_STRINGS_MAX,
  TOP_LOGPROBS_MAX,
} from '../limits.ts';
import { answerFormat, type AnswerFormat } from './answer-format.ts';
import { type ChatMessage, type ContentPart, MESSAGE, type PartsAllowed, unansweredCall } from './chat-message.ts';
import { RequestError } from './failure.ts';
import { dropNeutralFields, invalidRequest } from './request-field.ts';
import { orString } from './string-form.ts';
import { type FunctionTool, type ToolChoice, toolChoice, tools } from './tool.ts';
import { showVideos } from './show-videos.ts';

/** A valid request in one form: content is always a list, limits are one field, absent means the model's default. */
export interface ChatRequest {
  model: string;
  messages: ChatMessage[];
  stream: boolean;
  /** The client asked for the usage chunk at the end of its stream. */
  includeUsage: boolean;
  maxTokens?: number;
  /** 0 to 2; 0 is greedy. */
  temperature?: number;
  /** 0 to 1; 0 keeps the most likely token only. */
  topP?: number;
  /** 0 is all tokens, which a model's own default may not be. */
  topK?: number;
  seed?: number;
  stop: string[];
  /** Answers to make; absent is one. */
  choices?: number;
  /** How many alternatives to list beside each token; absent lists no tokens. */
  topLogprobs?: number;
  /** −2 to 2. */
  frequencyPenalty?: number;
  /** −2 to 2. */
  presencePenalty?: number;
  /** −100 to 100 by token id. */
  logitBias?: ReadonlyMap<number, number>;
  /** Absent is free text. */
  format?: AnswerFormat;
  /** Never empty. */
  tools?: FunctionTool[];
  /** Absent is `auto` where there are tools. */
  toolChoice?: ToolChoice;
  /** False: one call at most. */
  parallelToolCalls?: boolean;
  /** Only from a worker: whose prompt it is. Caches of a model server are shared among requests of one salt. */
  cacheSalt?: string;
}

/**
 * Validates an OpenAI chat completion request.
 *
 * Unknown fields are refused by name, as OpenAI does: a field that is silently ignored is a wrong answer nobody sees.
 * A field set to `null` or to the value that asks for nothing (`n: 1`, `tools: []`) counts as absent; see
 * request-field.ts for the fields that are accepted without effect.
 *
 * @param json what JSON.parse gave.
 * @throws RequestError `invalid-request` whose `param` is the path of the first fault.
 */
export function parseChatRequest(json: unknown, options: { parts: PartsAllowed }): ChatRequest {
  const parsed = SCHEMAS[options.parts].safeParse(dropNeutralFields(json));
  if (!parsed.success) {
    throw invalidRequest(json, parsed.error);
  }
  const body: Body & { cache_salt?: string | undefined } = parsed.data;
  const messages = body.messages.map((message, m): ChatMessage =>
    message.role === 'user' ? { ...message, content: showVideos(message.content, m) } : message,
  );
  refuseContradictions(body, messages);
  return {
    model: body.model,
    messages,
    stream: body.stream,
    includeUsage: body.stream_options?.include_usage ?? false,
    stop: body.stop,
    ...given('maxTokens', body.max_completion_tokens ?? body.max_tokens),
    ...given('temperature', body.temperature),
    ...given('topP', body.top_p),
    ...given('topK', body.top_k),
    ...given('seed', body.seed),
    ...given('choices', body.n === 1 ? undefined : body.n),
    ...given('topLogprobs', body.logprobs === true ? (body.top_logprobs ?? 0) : undefined),
    ...given('frequencyPenalty', body.frequency_penalty === 0 ? undefined : body.frequency_penalty),
    ...given('presencePenalty', body.presence_penalty === 0 ? undefined : body.presence_penalty),
    ...given('logitBias', body.logit_bias?.size === 0 ? undefined : body.logit_bias),
    ...given('format', body.response_format),
    ...given('cacheSalt', body.cache_salt),
    ...(body.tools === undefined || body.tools.length === 0
      ? {}
      : {
          tools: body.tools,
          ...given('toolChoice', body.tool_choice),
          ...given('parallelToolCalls', body.parallel_tool_calls),
        }),
  };
}

/** Path of a part in the client's terms, e.g. `messages[0].content[1]`. */
export function partPath(message: number, part: number): string {
  return `messages[${message}].content[${part}]`;
}

/** Path of an image in the client's terms: of its part, or of what became the part. */
export function imagePath(part: ContentPart, message: number, index: number): string {
  return (part.type === 'image_url' ? part.field : undefined) ?? partPath(message, index);
}

const stopString = z.string().min(1).max(STOP_STRING_MAX_CHARS);
const stop = orString(z.array(stopString).max(STOP_STRINGS_MAX).default([]), (text) => [text]);

const penalty = z.number().min(-2).max(2).optional();

const logitBias = z
  .record(z.string().regex(/^\d{1,7}$/, 'expected token ids'), z.number().min(-100).max(100))
  .refine((bias) => Object.keys(bias).length <= LOGIT_BIAS_ENTRIES_MAX, `at most ${LOGIT_BIAS_ENTRIES_MAX} tokens`)
  .transform((bias) => new Map(Object.entries(bias).map(([id, value]) => [Number(id), value])));

function chatRequest(message: (typeof MESSAGE)[PartsAllowed]) {
  return z.strictObject({
    model: z.string().min(1).max(MODEL_NAME_MAX_CHARS),
    messages: z.array(message).min(1).max(MESSAGES_MAX),
    stream: z.boolean().default(false),
    stream_options: z
      .preprocess(dropNeutralFields, z.strictObject({ include_usage: z.boolean().default(false) }))
      .optional(),
    max_tokens: z.int().min(1).max(ANSWER_TOKENS_MAX).optional(),
    max_completion_tokens: z.int().min(1).max(ANSWER_TOKENS_MAX).optional(),
    temperature: z.number().min(0).max(2).optional(),
    top_p: z.number().min(0).max(1).optional(),
    // vLLM takes 0 and -1 for all tokens.
    top_k: z
      .int()
      .min(-1)
      .transform((k) => Math.max(k, 0))
      .optional(),
    seed: z.int().optional(),
    stop,
    n: z.int().min(1).max(CHOICES_MAX).optional(),
    logprobs: z.boolean().optional(),
    top_logprobs: z.int().min(0).max(TOP_LOGPROBS_MAX).optional(),
    frequency_penalty: penalty,
    presence_penalty: penalty,
    logit_bias: logitBias.optional(),
    response_format: answerFormat.optional(),
    tools: tools.optional(),
    tool_choice: toolChoice.optional(),
    parallel_tool_calls: z.boolean().optional(),
  });
}

/** What a client may send; the worker's API description is made from it. */
export const chatRequestSchema = chatRequest(MESSAGE.client);

const SCHEMAS = {
  client: chatRequestSchema,
  endpoint: chatRequest(MESSAGE.endpoint).extend({
    cache_salt: z.string().min(1).max(IMAGE_UUID_MAX_CHARS).optional(),
  }),
};

type Body = z.output<(typeof SCHEMAS)[PartsAllowed]>;

/** Fields that are right one by one and wrong together. */
function refuseContradictions(body: Body, messages: ChatMessage[]): void {
  const { max_tokens, max_completion_tokens, tool_choice: choice, tools: offered = [] } = body;
  if (max_tokens !== undefined && max_completion_tokens !== undefined && max_tokens !== max_completion_tokens) {
    throw refusal('max_tokens', 'max_tokens and max_completion_tokens differ; send one');
  }
  if (body.stream_options !== undefined && !body.stream) {
    throw refusal('stream_options', 'stream_options needs stream: true');
  }
  if ((body.top_logprobs ?? 0) > 0 && body.logprobs !== true) {
    throw refusal('top_logprobs', 'top_logprobs needs logprobs: true');
  }
  if (offered.length === 0 && (choice === 'required' || typeof choice === 'object')) {
    throw refusal('tool_choice', 'tool_choice needs tools');
  }
  if (typeof choice === 'object' && !offered.some(({ name }) => name === choice.name)) {
    throw refusal('tool_choice', `tool_choice names '${choice.name}', which is not among the tools`);
  }
  if (body.response_format !== undefined && (choice === 'required' || typeof choice === 'object')) {
    throw refusal('response_format', 'A forced tool call has no text that response_format could shape');
  }
  const fault = unansweredCall(messages);
  if (fault !== null) {
    throw refusal(fault.param, fault.message);
  }
  limitImages(messages);
}

function limitImages(messages: ChatMessage[]): void {
  let images = 0;
  for (const [m, { content: parts }] of messages.entries()) {
    for (const [p, part] of parts.entries()) {
      images += part.type === 'text' ? 0 : 1;
      if (images > IMAGES_PER_REQUEST_MAX) {
        const message = `A request takes at most ${IMAGES_PER_REQUEST_MAX} images, frames of videos among them`;
        throw refusal(imagePath(part, m, p), message);
      }
    }
  }
}

function given<Key extends string, Value>(key: Key, value: Value | undefined): Partial<Record<Key, Value>> {
  return value === undefined ? {} : ({ [key]: value } as Record<Key, Value>);
}

function refusal(param: string, text: string): RequestError {
  return new RequestError({ kind: 'invalid-request', param, message: text });
}
