import { IMAGE_REUSE_SECONDS } from '../src/core/limits.ts';
import type { Deps } from './deps.ts';
import type { RequestContext } from './request-context.ts';
import type { OwnerReuse } from './request-images.ts';

/** What may be reused for whoever asks; null where the worker is told to remember nothing. */
export function ownerReuse(
  { ownerNames, imageMemory }: Pick<Deps, 'ownerNames' | 'imageMemory'>,
  { owner, waitUntil }: Pick<RequestContext, 'owner' | 'waitUntil'>,
): OwnerReuse | null {
  if (ownerNames === null) {
    return null;
  }
  return {
    names: ownerNames(owner.name),
    memory: imageMemory,
    seconds: Math.min(IMAGE_REUSE_SECONDS, owner.retentionSeconds ?? IMAGE_REUSE_SECONDS),
    waitUntil,
  };
}
