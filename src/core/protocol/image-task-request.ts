import * as z from 'zod';
import { ANSWER_TOKENS_MAX, MODEL_NAME_MAX_CHARS, PROMPT_TEXT_MAX_CHARS } from '../limits.ts';
import { detail } from './chat-message.ts';
import { type ChatRequest, parseChatRequest } from './chat-request.ts';
import { RequestError } from './failure.ts';
import { IMAGE_SOURCE } from './image-source.ts';
import { dropNeutralFields, invalidRequest } from './request-field.ts';

/** One question about one image, on a route of its own: `/v1/caption`, `/v1/ocr`, `/v1/vqa`. */
export type ImageTask = 'caption' | 'ocr' | 'vqa';

/** What the model is asked where the client brings no question. */
export type TaskPrompts = Record<Exclude<ImageTask, 'vqa'>, string>;

const common = {
  image: z.string().min(1).describe(IMAGE_SOURCE),
  detail,
  model: z.string().min(1).max(MODEL_NAME_MAX_CHARS).optional().describe('Absent: the default model'),
  max_tokens: z.int().min(1).max(ANSWER_TOKENS_MAX).optional().describe('Longest answer in tokens'),
  temperature: z.number().min(0).max(2).default(0).describe('0 always gives the most likely answer'),
  seed: z.int().optional().describe('Makes an answer with temperature repeatable'),
};

const question = z.string().min(1).max(PROMPT_TEXT_MAX_CHARS).describe('What to ask about the image');

/** Bodies as JSON. A form has the same fields, its image may be a file; a raw image has them in the query. */
export const imageTaskSchemas = {
  caption: z.strictObject(common),
  ocr: z.strictObject(common),
  vqa: z.strictObject({ ...common, question }),
} as const;

export interface TaskOptions {
  /** Asked where the client names none. */
  defaultModel: string;
  prompts: (model: string) => TaskPrompts;
  stream: boolean;
}

/**
 * The chat request that an image task stands for: the image, then the question.
 *
 * @param fields the task's own fields, as JSON.parse or {@link fieldsOfText} gave them.
 * @throws RequestError `invalid-request` in the task's own terms.
 */
export function parseImageTask(
  task: ImageTask,
  fields: unknown,
  { defaultModel, prompts, stream }: TaskOptions,
): ChatRequest {
  const parsed = imageTaskSchemas[task].safeParse(dropNeutralFields(fields));
  if (!parsed.success) {
    throw invalidRequest(fields, parsed.error);
  }
  const { image, detail: closeness, temperature, max_tokens, seed } = parsed.data;
  const model = parsed.data.model ?? defaultModel;
  const text = 'question' in parsed.data ? parsed.data.question : prompts(model)[task === 'ocr' ? 'ocr' : 'caption'];
  const content = [
    { type: 'image_url', image_url: { url: image, detail: closeness } },
    { type: 'text', text },
  ];
  const chat = {
    model,
    messages: [{ role: 'user', content }],
    temperature,
    max_tokens: max_tokens ?? null,
    seed: seed ?? null,
    stream,
  };
  return parseChatRequest(chat, { parts: 'client' });
}

/** The task's one message holds the image and the question; a client knows them by those names. */
export function imageTaskField(chatField: string): string {
  if (chatField.startsWith('messages[0].content[0]')) {
    return 'image';
  }
  return chatField.startsWith('messages[0].content[1]') ? 'question' : chatField;
}

/**
 * Fields that came as text, in a form or a query, as JSON would have them.
 *
 * @throws RequestError `invalid-request` for a field that comes twice.
 */
export function fieldsOfText(entries: Iterable<readonly [string, string]>): Record<string, unknown> {
  const fields = new Map<string, unknown>();
  for (const [name, text] of entries) {
    if (fields.has(name)) {
      throw new RequestError({ kind: 'invalid-request', param: name, message: `${name}: given twice` });
    }
    // Text that is no number stays text, which the schema then refuses by name.
    fields.set(name, NUMERIC.has(name) && /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text);
  }
  return Object.fromEntries(fields);
}

const NUMERIC = new Set(['max_tokens', 'temperature', 'seed']);
