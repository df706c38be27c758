import type { Rgb } from './rgb.ts';

/** Pixels that come row by row from the top, so that nobody need hold a whole photo. */
export interface PixelRows {
  readonly width: number;
  readonly height: number;
  /** Gives out every row, 3 bytes a pixel. A row is the caller's only until `take` returns. */
  read(take: (row: Uint8Array) => void): Promise<void>;
}

/** The rows of an image that is in memory. */
export function rowsOf({ width, height, data }: Rgb): PixelRows {
  return {
    width,
    height,
    async read(take) {
      for (let y = 0; y < height; y++) {
        take(data.subarray(y * width * 3, (y + 1) * width * 3));
      }
    },
  };
}
