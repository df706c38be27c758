import * as z from 'zod';
import type { TaskPrompts } from '../src/core/protocol/image-task-request.ts';
import { jsonVariable } from './variables.ts';

/** What VoRA models are asked; `models/vora-tiny` knows these words. */
const DEFAULTS: TaskPrompts = { caption: 'Describe the image.', ocr: 'Read the text.' };

const prompt = z.string().min(1).exactOptional();
const prompts = z.record(z.string(), z.strictObject({ caption: prompt, ocr: prompt }));

/** The TASK_PROMPTS variable: `{"MODEL": {"caption": …, "ocr": …}}` as a table or as JSON text; what is absent stays. */
export const taskPromptsSchema = jsonVariable(prompts.default({})).transform(
  (byModel) =>
    (model: string): TaskPrompts => ({ ...DEFAULTS, ...byModel[model] }),
);
