import type { Rgb } from './rgb.ts';

/** EXIF tag 0x0112: where row 0 and column 0 of the stored pixels lie in the upright picture (TIFF 6.0, p. 36). */
export type Orientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

const STORED_RIGHT_TO_LEFT: readonly Orientation[] = [2, 3, 7, 8];
const STORED_BOTTOM_TO_TOP: readonly Orientation[] = [3, 4, 6, 7];
const STORED_COLUMN_BY_COLUMN: readonly Orientation[] = [5, 6, 7, 8];

/** Whether rows are stored from right to left. */
export function isMirrored(orientation: Orientation): boolean {
  return STORED_RIGHT_TO_LEFT.includes(orientation);
}

/** Whether rows are stored from bottom to top. */
export function isFlipped(orientation: Orientation): boolean {
  return STORED_BOTTOM_TO_TOP.includes(orientation);
}

/** Whether what is stored as rows are columns of the upright picture. */
export function isTurned(orientation: Orientation): boolean {
  return STORED_COLUMN_BY_COLUMN.includes(orientation);
}

/** The size of the upright picture. */
export function uprightSize(
  { width, height }: { width: number; height: number },
  orientation: Orientation,
): { width: number; height: number } {
  return isTurned(orientation) ? { width: height, height: width } : { width, height };
}

/**
 * Turns stored pixels upright, as Pillow's `ImageOps.exif_transpose` does. 1 returns the image itself;
 * 5 to 8 swap width and height.
 */
export function placeUpright(stored: Rgb, orientation: Orientation): Rgb {
  if (orientation === 1) {
    return stored;
  }
  const rowBytes = stored.width * 3;
  const mirrored = isMirrored(orientation);
  const flipped = isFlipped(orientation);
  const turned = isTurned(orientation);

  const origin = (mirrored ? rowBytes - 3 : 0) + (flipped ? (stored.height - 1) * rowBytes : 0);
  const alongRow = mirrored ? -3 : 3;
  const alongColumn = flipped ? -rowBytes : rowBytes;
  const { width, height } = uprightSize(stored, orientation);
  const right = turned ? alongColumn : alongRow;
  const down = turned ? alongRow : alongColumn;

  const source = stored.data;
  const data = new Uint8Array(source.length);
  let to = 0;
  for (let y = 0; y < height; y++) {
    let from = origin + y * down;
    for (let x = 0; x < width; x++) {
      data[to] = source[from] ?? 0;
      data[to + 1] = source[from + 1] ?? 0;
      data[to + 2] = source[from + 2] ?? 0;
      to += 3;
      from += right;
    }
  }
  return { width, height, data };
}
