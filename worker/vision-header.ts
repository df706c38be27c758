import type { Deps } from './deps.ts';
import type { PreparedImage } from './prepared-image.ts';

/**
 * Hash of the vision weights for which images were made ready: embeddings, or pixels of the model's size. An endpoint with
 * others, or to which the pixels have another size, answers `vision_mismatch`.
 */
export const VISION_HEADER = 'x-vora-vision';

/** Its value, or null where no image was made ready here. */
export async function visionOf(
  images: readonly PreparedImage[],
  { bundle }: Pick<Deps, 'bundle'>,
): Promise<string | null> {
  const made = images.some(({ tokens }) => tokens > 0);
  return made ? (await bundle.manifest()).vision.sha256 : null;
}
