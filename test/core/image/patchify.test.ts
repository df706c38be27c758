import { expect, it } from 'vitest';
import { patchify } from '../../../src/core/image/patchify.ts';

it('orders values as (patch row, patch column, channel, row, column)', () => {
  // Each byte says where it is: 4×6 px of 2 px patches.
  const [width, height, patch] = [6, 4, 2];
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => i);
  const expected: number[] = [];
  for (let row = 0; row < height; row += patch) {
    for (let column = 0; column < width; column += patch) {
      for (let channel = 0; channel < 3; channel++) {
        for (let y = row; y < row + patch; y++) {
          for (let x = column; x < column + patch; x++) {
            expected.push((y * width + x) * 3 + channel);
          }
        }
      }
    }
  }
  expect(patchify({ width, height, data }, patch)).toEqual({ data: Uint8Array.from(expected), rows: 2, cols: 3 });
});

it('refuses an image that is no multiple of the patch', () => {
  expect(() => patchify({ width: 15, height: 14, data: new Uint8Array(15 * 14 * 3) }, 14)).toThrow(RangeError);
});
