import { IMAGE_REUSE_SECONDS } from '../src/core/limits.ts';
import type { Deps } from './deps.ts';
import { ownerNames } from './owner-names.ts';
import type { RequestContext } from './request-context.ts';
import type { OwnerReuse } from './request-images.ts';

/** What may be reused for whoever asks; null where the worker is told to remember nothing. */
export function ownerReuse(
  { config, imageMemory }: Pick<Deps, 'config' | 'imageMemory'>,
  { owner, waitUntil }: Pick<RequestContext, 'owner' | 'waitUntil'>,
): OwnerReuse | null {
  if (config.imageReuse === null) {
    return null;
  }
  return {
    names: ownerNames(config.imageReuse.secret, owner.name),
    memory: imageMemory,
    seconds: Math.min(IMAGE_REUSE_SECONDS, owner.retentionSeconds ?? IMAGE_REUSE_SECONDS),
    waitUntil,
  };
}
