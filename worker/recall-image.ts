import type { WireForm } from '../src/core/upstream/capability.ts';
import type { ImageMemory } from './image-memory.ts';
import type { OwnerNames } from './owner-names.ts';
import type { PreparedImage } from './prepared-image.ts';

/** Earlier requests of the same owner, as far as images go. */
export interface ImageReuse {
  names: OwnerNames;
  memory: ImageMemory;
  /** How long anything is remembered. */
  seconds: number;
  /** The upstream, where it keeps images under their names, and whether a reference will do where it holds one. */
  holder: { upstream: string; isAsked: boolean } | null;
  /** Keeps work alive that the answer does not wait for. */
  waitUntil: (work: Promise<unknown>) => void;
}

/**
 * An image by the least work: a reference where the upstream holds it, what was made of the same file before, or made now
 * and kept.
 *
 * Equal files have equal pixels, and a file's name is known before anything is decoded.
 *
 * @param name of the file and of all that the result depends on.
 */
export async function recallImage(
  name: string,
  wire: WireForm,
  { memory, seconds, holder, waitUntil }: ImageReuse,
  make: () => Promise<PreparedImage>,
): Promise<PreparedImage> {
  const named = holder === null ? {} : { uuid: name };
  const part = wire === 'image_embeds' ? 'image_embeds' : 'image_url';
  const tokens = holder?.isAsked === true ? await memory.sent(holder.upstream, name) : null;
  if (tokens !== null) {
    return { part, prefix: '', payload: [], tokens, ...named, from: 'upstream' };
  }
  // The client's own file is here already.
  const kept = wire === 'original' ? null : await memory.find(name);
  if (kept !== null) {
    const prefix = wire === 'pixels' ? 'data:image/png;base64,' : '';
    return { part, prefix, payload: [...kept.payload], tokens: kept.tokens, ...named, from: 'cache' };
  }
  const image = await make();
  if (wire === 'original') {
    return { ...image, ...named };
  }
  waitUntil(memory.keep(name, image, seconds));
  return { ...image, ...named };
}
