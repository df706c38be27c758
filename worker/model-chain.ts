import type { ChatRequest } from '../src/core/protocol/chat-request.ts';
import { RequestError } from '../src/core/protocol/failure.ts';
import { capableOf, requireCapable } from '../src/core/upstream/capability.ts';
import { needsOf } from '../src/core/upstream/needs.ts';
import type { Config } from './env.ts';
import type { Upstream } from './upstream-config.ts';

/** Names of the models that are served, the main one first. */
export function servedModels({ model, upstreams }: Pick<Config, 'model' | 'upstreams'>): string[] {
  return [...new Set([model, ...upstreams.map(({ serves }) => serves)])];
}

/**
 * The upstreams that may answer a request: those of its model that can do all it needs, then those of each model to fall
 * back on.
 *
 * @throws RequestError `model-not-found`, or `invalid-request` for what no upstream of the model can do: falling back is
 *   for failures, not for features.
 */
export function modelChain(chat: ChatRequest, { upstreams, fallbacks }: Config): Upstream[][] {
  const of = (model: string) => upstreams.filter(({ serves }) => serves === model);
  const own = of(chat.model);
  if (own.length === 0) {
    throw new RequestError({ kind: 'model-not-found', model: chat.model });
  }
  const needs = needsOf(chat);
  const others = (fallbacks.get(chat.model) ?? []).map((model) => capableOf(of(model), needs));
  return [requireCapable(own, needs), ...others].filter((candidates) => candidates.length > 0);
}
