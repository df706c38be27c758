import * as z from 'zod';
import type { TaskPrompts } from '../src/core/protocol/image-task-request.ts';

/** What VoRA models are asked; `models/vora-tiny` knows these words. */
const DEFAULTS: TaskPrompts = { caption: 'Describe the image.', ocr: 'Read the text.' };

const prompt = z.string().min(1).exactOptional();
const prompts = z.record(z.string(), z.strictObject({ caption: prompt, ocr: prompt }));

/** The TASK_PROMPTS variable: `{"MODEL": {"caption": …, "ocr": …}}` as a table or as JSON text; what is absent stays. */
export const taskPromptsSchema = z
  .preprocess((value, context) => (typeof value === 'string' ? parse(value, context) : value), prompts)
  .default({})
  .transform((byModel) => (model: string): TaskPrompts => ({ ...DEFAULTS, ...byModel[model] }));

function parse(text: string, context: z.RefinementCtx): unknown {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue({ code: 'custom', message: 'expected JSON' });
    return z.NEVER;
  }
}
