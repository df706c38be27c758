import type { Rgb } from './rgb.ts';

/** Non-overlapping patches in raster order. */
export interface Patches {
  /** u8 [rows·cols, 3·p·p]; inside a patch the order is (channel, row, column), as a conv weight [D, 3, p, p] has it. */
  readonly data: Uint8Array;
  readonly rows: number;
  readonly cols: number;
}

/** Cuts a model-sized image into patches. Throws RangeError where an edge is no multiple of `patchSize`: preprocess first. */
export function patchify(image: Rgb, patchSize: number): Patches {
  const rows = image.height / patchSize;
  const cols = image.width / patchSize;
  if (!Number.isInteger(rows) || !Number.isInteger(cols)) {
    throw new RangeError(`${image.width}×${image.height} px cannot be cut into patches of ${patchSize} px`);
  }
  const data = new Uint8Array(image.data.length);
  let to = 0;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < cols; column++) {
      for (let channel = 0; channel < 3; channel++) {
        for (let y = row * patchSize; y < (row + 1) * patchSize; y++) {
          let from = (y * image.width + column * patchSize) * 3 + channel;
          for (let x = 0; x < patchSize; x++) {
            data[to] = image.data[from] ?? 0;
            to += 1;
            from += 3;
          }
        }
      }
    }
  }
  return { data, rows, cols };
}
