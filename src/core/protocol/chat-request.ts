import * as z from 'zod';
import {
  ANSWER_TOKENS_MAX,
  IMAGES_PER_REQUEST_MAX,
  MESSAGES_MAX,
  MODEL_NAME_MAX_CHARS,
  PARTS_PER_MESSAGE_MAX,
  STOP_STRING_MAX_CHARS,
  STOP_STRINGS_MAX,
} from '../limits.ts';
import { RequestError } from './failure.ts';
import { dropNeutralFields, invalidRequest } from './request-field.ts';
import { orString } from './string-form.ts';

export type ContentPart =
  | { type: 'text'; text: string }
  | { type: 'image_url'; url: string; detail: 'auto' | 'low' | 'high' }
  /** Base64 of a torch.save file holding [N, H]; only a worker may send one. */
  | { type: 'image_embeds'; data: string };

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant';
  /** Positions equal the client's, so that `messages[m].content[p]` names the same part on both sides. */
  content: ContentPart[];
}

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
}

/** Who is asking: anybody, or a worker of ours that may send ready-made embeddings. */
export type PartsAllowed = 'client' | 'endpoint';

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
  const body = parsed.data;
  if (
    body.max_tokens !== undefined &&
    body.max_completion_tokens !== undefined &&
    body.max_tokens !== body.max_completion_tokens
  ) {
    throw refusal('max_tokens', 'max_tokens and max_completion_tokens differ; send one');
  }
  if (body.stream_options !== undefined && !body.stream) {
    throw refusal('stream_options', 'stream_options needs stream: true');
  }
  limitImages(body.messages);
  return {
    model: body.model,
    messages: body.messages,
    stream: body.stream,
    includeUsage: body.stream_options?.include_usage ?? false,
    stop: body.stop,
    ...given('maxTokens', body.max_completion_tokens ?? body.max_tokens),
    ...given('temperature', body.temperature),
    ...given('topP', body.top_p),
    ...given('topK', body.top_k),
    ...given('seed', body.seed),
  };
}

/** Path of a part in the client's terms, e.g. `messages[0].content[1]`. */
export function partPath(message: number, part: number): string {
  return `messages[${message}].content[${part}]`;
}

const textPart = z.strictObject({ type: z.literal('text'), text: z.string() });

const imagePart = z
  .strictObject({
    type: z.literal('image_url'),
    image_url: z.strictObject({ url: z.string().min(1), detail: z.enum(['auto', 'low', 'high']).default('auto') }),
  })
  .transform(({ type, image_url: { url, detail } }) => ({ type, url, detail }));

const embedsPart = z
  .strictObject({ type: z.literal('image_embeds'), image_embeds: z.string().min(1) })
  .transform(({ type, image_embeds: data }) => ({ type, data }));

const clientParts = z.discriminatedUnion('type', [textPart, imagePart]);
const endpointParts = z.discriminatedUnion('type', [textPart, imagePart, embedsPart]);

function content<Part extends z.ZodType>(part: Part) {
  const list = z.array(z.preprocess(dropNeutralFields, part)).min(1).max(PARTS_PER_MESSAGE_MAX);
  return orString(list, (text) => [{ type: 'text', text }]);
}

function message(userParts: typeof clientParts | typeof endpointParts) {
  const plain = content(z.discriminatedUnion('type', [textPart]));
  const schema = z.discriminatedUnion('role', [
    z.strictObject({ role: z.literal('user'), content: content(userParts) }),
    z.strictObject({ role: z.literal('assistant'), content: plain }),
    z.strictObject({ role: z.literal('system'), content: plain }),
    // OpenAI's newer name for the system role.
    z
      .strictObject({ role: z.literal('developer'), content: plain })
      .transform((m) => ({ ...m, role: 'system' as const })),
  ]);
  return z.preprocess(dropNeutralFields, schema);
}

const stopString = z.string().min(1).max(STOP_STRING_MAX_CHARS);
const stop = orString(z.array(stopString).max(STOP_STRINGS_MAX).default([]), (text) => [text]);

function chatRequest(parts: typeof clientParts | typeof endpointParts) {
  return z.strictObject({
    model: z.string().min(1).max(MODEL_NAME_MAX_CHARS),
    messages: z.array(message(parts)).min(1).max(MESSAGES_MAX),
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
  });
}

/** What a client may send; the worker's API description is made from it. */
export const chatRequestSchema = chatRequest(clientParts);

const SCHEMAS = { client: chatRequestSchema, endpoint: chatRequest(endpointParts) };

function limitImages(messages: ChatMessage[]): void {
  let images = 0;
  for (const [m, { content: parts }] of messages.entries()) {
    for (const [p, { type }] of parts.entries()) {
      images += type === 'text' ? 0 : 1;
      if (images > IMAGES_PER_REQUEST_MAX) {
        throw refusal(partPath(m, p), `A request takes at most ${IMAGES_PER_REQUEST_MAX} images`);
      }
    }
  }
}

function given<Key extends string>(key: Key, value: number | undefined): Partial<Record<Key, number>> {
  return value === undefined ? {} : ({ [key]: value } as Record<Key, number>);
}

function refusal(param: string, text: string): RequestError {
  return new RequestError({ kind: 'invalid-request', param, message: text });
}
