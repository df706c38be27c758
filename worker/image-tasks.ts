import type { Context } from 'hono';
import { accepts } from 'hono/accepts';
import { imageTaskForm } from '../src/core/protocol/image-task-answer.ts';
import { type ImageTask, parseImageTask } from '../src/core/protocol/image-task-request.ts';
import { defaultModel } from '../src/core/tenants/route-model.ts';
import { answerChat, startLoading } from './chat-completions.ts';
import type { Deps } from './deps.ts';
import { readImageTask } from './read-image-task.ts';
import type { RequestContext } from './request-context.ts';

const FORMS = { 'application/json': 'json', 'text/plain': 'text', 'text/event-stream': 'stream' } as const;

/** POST /v1/caption, /v1/ocr, /v1/vqa: an image and a question, asked as a chat. The answer's form follows `accept`. */
export async function imageTask(task: ImageTask, c: Context, deps: Deps, context: RequestContext): Promise<Response> {
  startLoading(deps, context);
  const { config } = deps;
  const wanted = accepts(c, { header: 'Accept', supports: Object.keys(FORMS), default: 'application/json' });
  const form = FORMS[wanted as keyof typeof FORMS];
  const options = {
    defaultModel: context.tenant === null ? config.model : defaultModel(context.tenant.settings, task, config.model),
    prompts: config.taskPrompts,
    stream: form === 'stream',
  };
  const { chat, enclosed } = await readImageTask(c.req.raw, context, deps.newId, (fields) => ({
    chat: parseImageTask(task, fields, options),
  }));
  const answerForm = imageTaskForm(task, form === 'text' ? 'text' : 'json');
  return answerChat({ chat, task, form: answerForm, enclosed }, deps, context);
}
