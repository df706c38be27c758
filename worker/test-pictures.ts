import type { Rgb } from '../src/core/image/rgb.ts';

const SIDE = 224;
type Colour = readonly [red: number, green: number, blue: number];

/** A red disc on white, and blue bars on black: no model that sees gives both the same probabilities. */
export const TEST_PICTURES: readonly [Rgb, Rgb] = [
  draw((x, y) => (Math.hypot(x - SIDE / 2, y - SIDE / 2) < SIDE / 3 ? [220, 20, 30] : [255, 255, 255])),
  draw((x) => (x % 56 < 28 ? [10, 10, 10] : [30, 60, 230])),
];

function draw(colourAt: (x: number, y: number) => Colour): Rgb {
  const data = new Uint8Array(SIDE * SIDE * 3);
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      data.set(colourAt(x, y), (y * SIDE + x) * 3);
    }
  }
  return { width: SIDE, height: SIDE, data };
}
