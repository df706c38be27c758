import type { ChatRequest } from '../protocol/chat-request.ts';
import { RequestError } from '../protocol/failure.ts';
import type { Mode, TenantSettings } from './settings.ts';

/** Who answers a tenant's request. */
export interface ModelRoute {
  /** One of the deployment's models. */
  serves: string;
  /** The adapter at the model server, or null for the model as it is. */
  adapter: string | null;
  /** The edge bundle of its vision weights; null for that of the deployment's model. */
  bundle: string | null;
}

/**
 * @param task what the route is for; a chat without images is `text`.
 * @throws RequestError `model-not-found` for a model that is not the tenant's, `invalid-request` for a mode that its
 *   model does not have.
 */
export function routeModel(
  { models }: Pick<TenantSettings, 'models'>,
  chat: Pick<ChatRequest, 'model' | 'messages'>,
  task: Exclude<Mode, 'text'>,
): ModelRoute {
  if (models === null) {
    return { serves: chat.model, adapter: null, bundle: null };
  }
  const found = Object.hasOwn(models, chat.model) ? models[chat.model] : undefined;
  if (found === undefined) {
    throw new RequestError({ kind: 'model-not-found', model: chat.model });
  }
  const hasImage = chat.messages.some(({ content }) => content.some(({ type }) => type !== 'text'));
  const allowed = found.modes.includes(task) || (task === 'chat' && !hasImage && found.modes.includes('text'));
  if (!allowed) {
    const what = task === 'chat' ? (hasImage ? 'images in a chat' : 'chats') : `the task ${task}`;
    const message = `The model '${chat.model}' does not take ${what}; it takes ${found.modes.join(', ')}`;
    throw new RequestError({ kind: 'invalid-request', param: 'model', message, code: 'unsupported_mode' });
  }
  return { serves: found.serves, adapter: found.adapter, bundle: found.bundle };
}

/** The model of a request that names none: the tenant's first that takes the task. */
export function defaultModel(
  { models }: Pick<TenantSettings, 'models'>,
  task: Exclude<Mode, 'text'>,
  ofDeployment: string,
): string {
  const [name] = Object.entries(models ?? {}).find(([, { modes }]) => modes.includes(task)) ?? [];
  return name ?? ofDeployment;
}
