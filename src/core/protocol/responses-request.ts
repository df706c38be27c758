import * as z from 'zod';
import {
  ANSWER_TOKENS_MAX,
  METADATA_KEY_MAX_CHARS,
  METADATA_PAIRS_MAX,
  METADATA_VALUE_MAX_CHARS,
  MESSAGES_MAX,
  MODEL_NAME_MAX_CHARS,
  PARTS_PER_MESSAGE_MAX,
} from '../limits.ts';
import { detail } from './chat-message.ts';
import { type ChatRequest, parseChatRequest } from './chat-request.ts';
import { RequestError } from './failure.ts';
import { IMAGE_SOURCE } from './image-source.ts';
import { dropNeutralFields, inTermsOf, invalidRequest } from './request-field.ts';
import { orString } from './string-form.ts';

/**
 * OpenAI's Responses API without memory: text and images in, text out. What a stored response, a tool or a reasoning
 * model would be needed for is refused by name.
 */
export interface ResponsesRequest {
  chat: ChatRequest;
  /** What the response object repeats of its request. */
  echo: ResponsesEcho;
  /** Positions of the input start here in the chat's messages: `instructions` stand before them. */
  inputOffset: number;
}

export interface ResponsesEcho {
  instructions: string | null;
  maxOutputTokens: number | null;
  temperature: number | null;
  topP: number | null;
  metadata: Record<string, string>;
  user: string | null;
  safetyIdentifier: string | null;
  promptCacheKey: string | null;
}

const inputText = z.strictObject({ type: z.literal('input_text'), text: z.string() });

const inputImage = z.strictObject({
  type: z.literal('input_image'),
  image_url: z.string().min(1).describe(IMAGE_SOURCE),
  detail,
});

/** The model's own words come back as it sent them. */
const outputText = z.strictObject({
  type: z.literal('output_text'),
  text: z.string(),
  logprobs: z.array(z.never()).optional(),
});

function content<Part extends z.ZodType>(part: Part, textType: 'input_text' | 'output_text') {
  const list = z.array(z.preprocess(dropNeutralFields, part)).min(1).max(PARTS_PER_MESSAGE_MAX);
  return orString(list, (text) => [{ type: textType, text }]);
}

/** Fields of a message that say nothing to the model. */
const envelope = {
  type: z.literal('message').default('message'),
  id: z.string().optional(),
  status: z.enum(['in_progress', 'completed', 'incomplete']).optional(),
};

const userPart = z.discriminatedUnion('type', [inputText, inputImage]);
const systemPart = z.discriminatedUnion('type', [inputText]);
const assistantPart = z.discriminatedUnion('type', [outputText]);

const message = z.discriminatedUnion('role', [
  z.strictObject({ ...envelope, role: z.literal('user'), content: content(userPart, 'input_text') }),
  z.strictObject({
    ...envelope,
    role: z.literal('assistant'),
    phase: z.enum(['commentary', 'final_answer']).optional(),
    content: content(assistantPart, 'output_text'),
  }),
  z.strictObject({ ...envelope, role: z.enum(['system', 'developer']), content: content(systemPart, 'input_text') }),
]);

const input = orString(z.array(z.preprocess(dropNeutralFields, message)).min(1).max(MESSAGES_MAX), (text) => [
  { role: 'user', content: text },
]);

const metadata = z
  .record(z.string().max(METADATA_KEY_MAX_CHARS), z.string().max(METADATA_VALUE_MAX_CHARS))
  .refine((pairs) => Object.keys(pairs).length <= METADATA_PAIRS_MAX, `at most ${METADATA_PAIRS_MAX} pairs`);

export const responsesRequestSchema = z.strictObject({
  model: z.string().min(1).max(MODEL_NAME_MAX_CHARS),
  input,
  instructions: z.string().optional().describe('A system message before the input'),
  max_output_tokens: z.int().min(1).max(ANSWER_TOKENS_MAX).optional(),
  temperature: z.number().min(0).max(2).optional(),
  top_p: z.number().min(0).max(1).optional(),
  stream: z.boolean().default(false),
  stream_options: z.strictObject({ include_obfuscation: z.boolean().optional() }).optional(),
  metadata: metadata.default({}).describe('Repeated in the response'),
  user: z.string().optional(),
  safety_identifier: z.string().optional(),
  prompt_cache_key: z.string().optional(),
});

/** Accounting and caching hints; no effect on the answer. */
const WITHOUT_EFFECT = new Set(['service_tier', 'parallel_tool_calls', 'prompt_cache_retention', 'max_tool_calls']);

/** What this server cannot do, each with the values that do not ask for it. */
const UNSUPPORTED = new Map<string, unknown[]>([
  ['store', [false]],
  ['background', [false]],
  ['truncation', ['disabled']],
  ['tools', [[]]],
  ['tool_choice', ['auto', 'none']],
  ['include', [[]]],
  ['text', [{}, { format: { type: 'text' } }]],
  ['reasoning', [{}, { effort: 'none' }]],
  ['top_logprobs', [0]],
  ['previous_response_id', []],
  ['conversation', []],
  ['prompt', []],
  ['context_management', []],
  ['moderation', []],
]);

/**
 * Validates a request to create a response and turns it into the chat request that it stands for.
 *
 * @throws RequestError `invalid-request` whose `param` is the path of the first fault.
 */
export function parseResponsesRequest(json: unknown): ResponsesRequest {
  refuseOtherItems(json);
  const parsed = responsesRequestSchema.safeParse(withoutNeutral(json));
  if (!parsed.success) {
    throw invalidRequest(json, parsed.error);
  }
  const body = parsed.data;
  const instructions = body.instructions === undefined ? [] : [{ role: 'system', content: body.instructions }];
  const chat = {
    model: body.model,
    messages: [...instructions, ...body.input.map(chatMessage)],
    stream: body.stream,
    max_tokens: body.max_output_tokens ?? null,
    temperature: body.temperature ?? null,
    top_p: body.top_p ?? null,
  };
  return {
    chat: parseAsChat(chat, instructions.length),
    inputOffset: instructions.length,
    echo: {
      instructions: body.instructions ?? null,
      maxOutputTokens: body.max_output_tokens ?? null,
      temperature: body.temperature ?? null,
      topP: body.top_p ?? null,
      metadata: body.metadata,
      user: body.user ?? null,
      safetyIdentifier: body.safety_identifier ?? null,
      promptCacheKey: body.prompt_cache_key ?? null,
    },
  };
}

function parseAsChat(chat: object, inputOffset: number): ChatRequest {
  try {
    return parseChatRequest(chat, { parts: 'client' });
  } catch (error) {
    throw inTermsOf((field) => inputField(field, inputOffset), error);
  }
}

function chatMessage({ role, content: parts }: z.infer<typeof message>): object {
  return { role, content: parts.map(chatPart) };
}

/** A field of the chat request by its name here: `messages[1].content[0].image_url.url` → `input[0].content[0].image_url`. */
export function inputField(chatField: string, inputOffset: number): string {
  return chatField
    .replace(/^messages\[(\d+)\]/, (_, index: string) =>
      Number(index) < inputOffset ? 'instructions' : `input[${Number(index) - inputOffset}]`,
    )
    .replace(/\.image_url\.url$/, '.image_url')
    .replace(/^max_tokens$/, 'max_output_tokens');
}

type Part = z.infer<typeof inputText | typeof inputImage | typeof outputText>;

function chatPart(part: Part): object {
  return part.type === 'input_image'
    ? { type: 'image_url', image_url: { url: part.image_url, detail: part.detail } }
    : { type: 'text', text: part.text };
}

/** The body without fields that are null or ask for nothing. */
function withoutNeutral(json: unknown): unknown {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    return json;
  }
  const asking = Object.entries(json).filter(([name, value]) => value !== null && !WITHOUT_EFFECT.has(name));
  return Object.fromEntries(asking.filter(([name, value]) => !isNeutral(name, value)));
}

/** @throws RequestError for a field that asks for what this server lacks. */
function isNeutral(name: string, value: unknown): boolean {
  const neutral = UNSUPPORTED.get(name);
  if (neutral === undefined) {
    return false;
  }
  if (neutral.some((entry) => JSON.stringify(entry) === JSON.stringify(value))) {
    return true;
  }
  throw unsupported(name, 'this server cannot do what it asks for');
}

/** Tool calls, reasoning and references to stored items have no place in a chat of text and images. */
function refuseOtherItems(json: unknown): void {
  const items: unknown = typeof json === 'object' && json !== null ? Reflect.get(json, 'input') : null;
  for (const [i, item] of (Array.isArray(items) ? items : []).entries()) {
    const type: unknown = typeof item === 'object' && item !== null ? Reflect.get(item, 'type') : null;
    if (typeof type === 'string' && type !== 'message') {
      throw unsupported(`input[${i}].type`, 'this server takes messages only');
    }
  }
}

function unsupported(param: string, message: string): RequestError {
  const code = 'unsupported_parameter';
  return new RequestError({ kind: 'invalid-request', param, message: `${param}: ${message}`, code });
}
