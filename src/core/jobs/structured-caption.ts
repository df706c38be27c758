import * as z from 'zod';
import type { AnswerFormat } from '../protocol/answer-format.ts';

/** A caption in the forms that pages need. */
export const structuredCaption = z.strictObject({
  alt_text: z.string(),
  short: z.string(),
  long: z.string(),
  tags: z.array(z.string()),
});
export type StructuredCaption = z.output<typeof structuredCaption>;

const text = { type: 'string' };

/** Asks the model server to keep its answer to that form. */
export const CAPTION_FORMAT: AnswerFormat = {
  type: 'json_schema',
  name: 'caption',
  strict: true,
  schema: {
    type: 'object',
    properties: { alt_text: text, short: text, long: text, tags: { type: 'array', items: text, maxItems: 16 } },
    required: ['alt_text', 'short', 'long', 'tags'],
    additionalProperties: false,
  },
};

/** The answer as a caption, or null where the model did not keep to the form, e.g. because it was cut off. */
export function readStructuredCaption(answer: string): StructuredCaption | null {
  try {
    const parsed = structuredCaption.safeParse(JSON.parse(answer));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
