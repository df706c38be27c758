import { JPEG_EXACT_MAX_PIXELS } from '../limits.ts';

/** The largest of 8/8, 4/8, 2/8 and 1/8 at which no more than JPEG_EXACT_MAX_PIXELS are decoded. */
export function jpegEighths({ width, height }: { width: number; height: number }): number {
  return [8, 4, 2].find((eighths) => width * height * (eighths / 8) ** 2 <= JPEG_EXACT_MAX_PIXELS) ?? 1;
}
