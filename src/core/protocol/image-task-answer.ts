import * as z from 'zod';
import type { AnswerForm, StreamWriter } from './answer-form.ts';
import { addedWords, onlyWords, type ResponseIdentity, type TextFinish, type WireUsage } from './chat-response.ts';
import { usageSchema } from './chat-response-schema.ts';
import { type ImageTask, imageTaskField } from './image-task-request.ts';
import { DONE, encodeEvent } from './sse.ts';

function answerSchema<Name extends ImageTask>(task: Name) {
  return z.strictObject({
    id: z.string(),
    object: z.literal(`image.${task}`),
    created: z.int().describe('Unix time in seconds'),
    model: z.string(),
    text: z.string().describe('The whole answer'),
    finish_reason: z.enum(['stop', 'length', 'content_filter']).describe('length: cut at max_tokens'),
    usage: usageSchema.exactOptional().describe('Absent only where the model server counts nothing'),
  });
}

/** What each task answers. The schemas document the wire; the builders below are typed by them. */
export const imageAnswerSchemas = {
  caption: answerSchema('caption'),
  ocr: answerSchema('ocr').extend({ lines: z.array(z.string()).describe('Lines of the text, blank ones left out') }),
  vqa: answerSchema('vqa'),
} as const;

/** One event of a streamed answer before the last, which is the whole answer. */
export const imageDeltaSchema = z.strictObject({
  object: z.enum(['image.caption.delta', 'image.ocr.delta', 'image.vqa.delta']),
  delta: z.string().describe('Text to append'),
});

export type ImageAnswer = z.infer<(typeof imageAnswerSchemas)[ImageTask]>;

interface Answer {
  text: string;
  finishReason: TextFinish;
  usage?: WireUsage;
}

/** An image task's answer as `json` or as the bare `text`; streams are events in both cases. */
export function imageTaskForm(task: ImageTask, as: 'json' | 'text'): AnswerForm {
  return {
    whole(completion) {
      const { usage } = completion;
      const answer = { ...onlyWords(completion), ...(usage === undefined ? {} : { usage }) };
      return as === 'text' ? answer.text : imageAnswer(task, completion, answer);
    },
    stream: (identity) => imageTaskWriter(task, identity),
    showsUsage: true,
    fieldName: imageTaskField,
  };
}

function imageTaskWriter(task: ImageTask, identity: ResponseIdentity): StreamWriter {
  let text = '';
  let finishReason: TextFinish | null = null;
  let usage: { usage?: WireUsage } = {};
  return {
    chunk(chunk) {
      const { text: delta, finishReason: reason } = addedWords(chunk);
      text += delta;
      finishReason = reason ?? finishReason;
      usage = chunk.usage ? { usage: chunk.usage } : usage;
      const event = { object: `image.${task}.delta`, delta } satisfies z.infer<typeof imageDeltaSchema>;
      return delta === '' ? '' : encodeEvent(event);
    },
    done() {
      if (finishReason === null) {
        throw new TypeError('an answer without its end');
      }
      return encodeEvent(imageAnswer(task, identity, { text, finishReason, ...usage })) + DONE;
    },
    failure({ error }) {
      return encodeEvent({ error: { ...error, param: error.param === null ? null : imageTaskField(error.param) } });
    },
  };
}

function imageAnswer(task: ImageTask, identity: ResponseIdentity, answer: Answer): ImageAnswer {
  const shared = {
    id: identity.id.replace(/^chatcmpl-/, `${task}-`),
    created: identity.created,
    model: identity.model,
    text: answer.text,
    finish_reason: answer.finishReason,
    ...(answer.usage === undefined ? {} : { usage: answer.usage }),
  };
  switch (task) {
    case 'caption':
      return { ...shared, object: 'image.caption' };
    case 'ocr':
      return { ...shared, object: 'image.ocr', lines: linesOf(answer.text) };
    case 'vqa':
      return { ...shared, object: 'image.vqa' };
  }
}

function linesOf(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
