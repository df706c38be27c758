import type { Deps } from './deps.ts';
import type { PreparedImage } from './prepared-image.ts';

/** Hash of the vision weights that made the embeddings; an endpoint with other weights answers `vision_mismatch`. */
export const VISION_HEADER = 'x-vora-vision';

/** Its value, or null where nothing was embedded here. */
export async function visionOf(
  images: readonly PreparedImage[],
  { bundle }: Pick<Deps, 'bundle'>,
): Promise<string | null> {
  const embedded = images.some((image) => image.part === 'image_embeds');
  return embedded ? (await bundle.manifest()).vision.sha256 : null;
}
