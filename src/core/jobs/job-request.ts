import * as z from 'zod';
import { JOB_REF_MAX_CHARS, JOBS_PER_CALL_MAX, WEBHOOK_URL_MAX_CHARS } from '../limits.ts';
import { type ChatRequest, parseChatRequest } from '../protocol/chat-request.ts';
import { RequestError } from '../protocol/failure.ts';
import { type ImageTask, imageTaskSchemas, parseImageTask, type TaskPrompts } from '../protocol/image-task-request.ts';
import { invalidRequest } from '../protocol/request-field.ts';
import { uploadKeyOf } from '../protocol/upload-key.ts';
import { PAYLOADS } from '../webhooks/event.ts';
import { CAPTION_FORMAT } from './structured-caption.ts';

export const JOB_TASKS = ['caption', 'ocr', 'vqa', 'chat'] as const;
export type JobTask = (typeof JOB_TASKS)[number];

const image = z.string().min(1).describe('A data: URL, an https: URL, or r2:KEY of an upload');
const ref = z.string().min(1).max(JOB_REF_MAX_CHARS).describe('Your own name for the job');

/** POST /v1/jobs */
export const jobRequestSchema = z.strictObject({
  task: z.enum(JOB_TASKS),
  image: image.optional(),
  images: z
    .array(z.union([image, z.strictObject({ image, ref: ref.optional() })]))
    .min(1)
    .max(JOBS_PER_CALL_MAX)
    .optional()
    .describe('A job for each'),
  ref: ref.optional(),
  chat: z.record(z.string(), z.unknown()).optional().describe('A chat completion request, for the task chat'),
  ...imageTaskSchemas.vqa.omit({ image: true, question: true }).shape,
  question: imageTaskSchemas.vqa.shape.question.optional(),
  structured: z.boolean().default(false).describe('A caption as JSON: alt text, short, long and tags'),
  webhook: z
    .union([z.string().regex(/^whe_[0-9a-z]+$/), z.url({ protocol: /^https$/ }).max(WEBHOOK_URL_MAX_CHARS)])
    .optional()
    .describe('Id of a webhook, or an https: URL'),
  webhook_payload: z.enum(PAYLOADS).optional().describe('For a webhook given as a URL'),
});

/** One job, as it waits for its turn: its question to the model, and where its image is. */
export interface JobPayload {
  task: JobTask;
  /** The chat request as JSON; its image, if it is stored apart, is `cid:image`. */
  fields: Record<string, unknown>;
  /** Where the image comes from; null where the question holds its images itself. */
  source: ImageSource | null;
  /** Upload beside which the result is written, or null. */
  writeBeside: string | null;
}

export type ImageSource = { from: 'url'; url: string } | { from: 'upload'; key: string };

export interface JobDraft {
  ref: string | null;
  payload: JobPayload;
  /** The question to the model, for its price and its model. */
  chat: ChatRequest;
}

/** URL of an image that is stored apart from its question (RFC 2392). */
export const STORED_IMAGE = 'cid:image';

export interface JobOptions {
  defaultModel: (task: JobTask) => string;
  prompts: (model: string) => TaskPrompts;
}

export interface JobCall {
  drafts: JobDraft[];
  /** Given as a list, be it of one. */
  isBatch: boolean;
  webhook: string | null;
  webhookPayload: z.output<typeof jobRequestSchema>['webhook_payload'];
}

/**
 * A call of POST /v1/jobs as its jobs.
 *
 * @throws RequestError `invalid-request` whose `param` is the path of the first fault.
 */
export function parseJobs(json: unknown, options: JobOptions): JobCall {
  const parsed = jobRequestSchema.safeParse(json);
  if (!parsed.success) {
    throw invalidRequest(json, parsed.error);
  }
  const {
    task,
    image: one,
    images,
    ref: ownRef,
    chat,
    webhook,
    webhook_payload,
    structured,
    ...question
  } = parsed.data;
  if (structured && task !== 'caption') {
    throw refusal('structured', 'structured: only a caption has this form');
  }
  const head = { isBatch: images !== undefined, webhook: webhook ?? null, webhookPayload: webhook_payload };
  if (task === 'chat') {
    if (chat === undefined || one !== undefined || images !== undefined) {
      throw refusal('chat', 'The task chat takes its images inside `chat`, and nothing beside it');
    }
    const fields = { ...chat, model: chat['model'] ?? options.defaultModel('chat'), stream: false };
    const request = parseChatRequest(fields, { parts: 'client' });
    return {
      ...head,
      drafts: [{ ref: ownRef ?? null, payload: { task, fields, source: null, writeBeside: null }, chat: request }],
    };
  }
  if (chat !== undefined) {
    throw refusal('chat', `chat: not for the task ${task}`);
  }
  if ((one === undefined) === (images === undefined)) {
    throw refusal('image', 'Send `image` or `images`');
  }
  const items = images?.map((item) => (typeof item === 'string' ? { image: item } : item)) ?? [
    { image: one ?? '', ref: ownRef },
  ];
  const drafts = items.map((item, i) => {
    const source = imageSource(item.image, images === undefined ? 'image' : `images[${i}]`);
    return draftTask(task, source, { ...question, structured }, item.ref ?? null, options);
  });
  return { ...head, drafts };
}

/** A job about one image. */
export function draftTask(
  task: ImageTask,
  source: ImageSource,
  { structured, ...asked }: { structured: boolean } & Record<string, unknown>,
  name: string | null,
  { defaultModel, prompts }: JobOptions,
  writeBeside: string | null = null,
): JobDraft {
  const given = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
  const fields = { ...given, image: STORED_IMAGE };
  const chat = parseImageTask(task, fields, { defaultModel: defaultModel(task), prompts, stream: false });
  return {
    ref: name,
    payload: {
      task,
      fields: { ...fields, model: chat.model, ...(structured ? { structured } : {}) },
      source,
      writeBeside,
    },
    chat: structured ? { ...chat, format: CAPTION_FORMAT } : chat,
  };
}

/** The question of a job that was taken in before. */
export function chatOf({ task, fields }: JobPayload, options: JobOptions): ChatRequest {
  if (task === 'chat') {
    return parseChatRequest(fields, { parts: 'client' });
  }
  const { structured, ...asked } = fields;
  const chat = parseImageTask(task, asked, {
    defaultModel: options.defaultModel(task),
    prompts: options.prompts,
    stream: false,
  });
  return structured === true ? { ...chat, format: CAPTION_FORMAT } : chat;
}

function imageSource(text: string, param: string): ImageSource {
  const key = uploadKeyOf(text, param);
  if (key !== null) {
    return { from: 'upload', key };
  }
  if (!/^(data|https):/i.test(text)) {
    throw refusal(param, `${param}: expected a data: URL, an https: URL or r2:KEY`);
  }
  return { from: 'url', url: text };
}

function refusal(param: string, message: string): RequestError {
  return new RequestError({ kind: 'invalid-request', param, message });
}
