import type { PixelRows } from '../../src/core/image/pixel-rows.ts';
import type { Rgb } from '../../src/core/image/rgb.ts';

/** All rows as one image. */
export async function collectRows(rows: PixelRows): Promise<Rgb> {
  const { width, height } = rows;
  const data = new Uint8Array(width * height * 3);
  let at = 0;
  await rows.read((row) => {
    data.set(row, at);
    at += row.length;
  });
  if (at !== data.length) {
    throw new Error(`${at} bytes came, expected ${data.length}`);
  }
  return { width, height, data };
}
