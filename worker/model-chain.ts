import type { ChatRequest } from '../src/core/protocol/chat-request.ts';
import { RequestError } from '../src/core/protocol/failure.ts';
import { capableOf, requireCapable } from '../src/core/upstream/capability.ts';
import { needsOf } from '../src/core/upstream/needs.ts';
import type { ModelRoute } from '../src/core/tenants/route-model.ts';
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
 * @param route which model answers, where a tenant has a name of its own for it.
 * @throws RequestError `model-not-found`, or `invalid-request` for what no upstream of the model can do: falling back is
 *   for failures, not for features.
 */
export function modelChain(
  chat: ChatRequest,
  { upstreams, fallbacks }: Pick<Config, 'upstreams' | 'fallbacks'>,
  { serves: asked, adapter, bundle }: ModelRoute = { serves: chat.model, adapter: null, bundle: null },
): Upstream[][] {
  const of = (model: string) => upstreams.filter(({ serves }) => serves === model);
  // Towards the client, the model has the name that it asked for.
  const own = of(asked).map((upstream) => ({
    ...upstream,
    serves: chat.model,
    model: adapter ?? upstream.model,
    bundle: bundle ?? upstream.bundle,
  }));
  if (own.length === 0) {
    throw new RequestError({ kind: 'model-not-found', model: chat.model });
  }
  const needs = needsOf(chat);
  // No other model has the skill of an adapter.
  const others = adapter !== null ? [] : (fallbacks.get(asked) ?? []).map((model) => capableOf(of(model), needs));
  return [requireCapable(own, needs), ...others].filter((candidates) => candidates.length > 0);
}
