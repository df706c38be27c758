import { NAMED_BUNDLES_HELD_MAX } from '../src/core/limits.ts';
import type { WarmEmbedder } from '../src/core/image/patch-embedder.ts';
import type { Bundle } from './bundle.ts';

/** How one model sees: its preprocessing and its patch embedding. */
export interface Sight {
  bundle: Bundle;
  embedder: WarmEmbedder;
}

/** The bundle of a model that has one of its own. */
export type NamedBundles = (name: string) => Sight;

/** Opens bundles as they are asked for, and holds those used last: each has its weights in memory, 25 MB at 7B size. */
export function holdNamedBundles(open: NamedBundles): NamedBundles {
  /** The latest used last. */
  const held = new Map<string, Sight>();
  return (name) => {
    const sight = held.get(name) ?? open(name);
    held.delete(name);
    held.set(name, sight);
    const [oldest] = held.keys();
    if (held.size > NAMED_BUNDLES_HELD_MAX && oldest !== undefined) {
      held.delete(oldest);
    }
    return sight;
  };
}

/** How the model of an upstream sees: by the deployment's bundle, or by one of its own. */
export function sightOfModel(
  { bundle, embedder, namedBundle }: Sight & { namedBundle: NamedBundles },
  { bundle: name }: { bundle: string | null },
): Sight {
  return name === null ? { bundle, embedder } : namedBundle(name);
}
