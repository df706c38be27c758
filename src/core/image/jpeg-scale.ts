import { JPEG_EXACT_MAX_PIXELS } from '../limits.ts';

/** So small a JPEG is always decoded at its full size: a third of what 12 MP take. */
const QUICK_PIXELS = 4_194_304;
/** Pixels along an edge of which one of the result is made at least, where a JPEG is decoded at a half. */
const HALF_FROM_SHRINK = 8;

/**
 * Of 8/8, 4/8, 2/8 and 1/8 the largest at which no more than JPEG_EXACT_MAX_PIXELS are decoded; but 4/8 at most for a
 * picture of more than QUICK_PIXELS that is shrunk so far that four pixels of the half still become one: a tenth of a
 * level of 255 on average.
 *
 * @param shrink pixels along an edge that become one of the result.
 */
export function jpegEighths({ width, height }: { width: number; height: number }, shrink: number): number {
  const pixels = width * height;
  const [largest = 1] = [8, 4, 2].filter((eighths) => pixels * (eighths / 8) ** 2 <= JPEG_EXACT_MAX_PIXELS);
  return pixels > QUICK_PIXELS && shrink >= HALF_FROM_SHRINK ? Math.min(largest, 4) : largest;
}
