import { describe, expect, it } from 'vitest';
import { multiplyTransposed } from '../../../src/core/model/multiply-transposed.ts';

describe('multiplyTransposed', () => {
  it.each([
    [1, 1, 1],
    [2, 4, 3],
    [3, 5, 7],
    [5, 3, 2],
    [6, 9, 11],
  ])('%i × %i over %i equals the plain triple loop', (rows, columns, depth) => {
    const a = Float64Array.from({ length: rows * depth }, (_, i) => Math.sin(3 * i + 1));
    const b = Float64Array.from({ length: columns * depth }, (_, i) => Math.cos(5 * i + 2));
    const found = multiplyTransposed(a, b, rows, columns, depth);
    for (let row = 0; row < rows; row += 1) {
      for (let column = 0; column < columns; column += 1) {
        let sum = 0;
        for (let k = 0; k < depth; k += 1) {
          sum += (a[row * depth + k] ?? 0) * (b[column * depth + k] ?? 0);
        }
        expect(found[row * columns + column]).toBeCloseTo(sum, 12);
      }
    }
  });
});
