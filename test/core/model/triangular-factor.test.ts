import { describe, expect, it } from 'vitest';
import { triangularFactor } from '../../../src/core/model/triangular-factor.ts';

/** Aᵀ [columns, rows]. */
function sample(rows: number, columns: number): Float64Array {
  return Float64Array.from({ length: rows * columns }, (_, i) => Math.sin(7 * i + 1) + 0.1 * Math.cos(i * i));
}

/** Entry (i, j) of XᵀX for X given as Xᵀ [columns, rows]. */
function gram(transposed: Float64Array, rows: number, i: number, j: number): number {
  let sum = 0;
  for (let k = 0; k < rows; k += 1) {
    sum += (transposed[i * rows + k] ?? 0) * (transposed[j * rows + k] ?? 0);
  }
  return sum;
}

describe('triangularFactor', () => {
  it.each([
    { name: 'tall', rows: 20, columns: 6 },
    { name: 'square', rows: 7, columns: 7 },
    { name: 'wide', rows: 4, columns: 9 },
    { name: 'one column', rows: 5, columns: 1 },
  ])('RᵀR = AᵀA with R triangular: $name', ({ rows, columns }) => {
    const a = sample(rows, columns);
    const factor = triangularFactor(a, rows, columns);
    const rank = Math.min(rows, columns);
    expect(factor).toHaveLength(columns * rank);
    for (let i = 0; i < columns; i += 1) {
      for (let j = 0; j < columns; j += 1) {
        expect(gram(factor, rank, i, j)).toBeCloseTo(gram(a, rows, i, j), 10);
      }
      for (let row = i + 1; row < rank; row += 1) {
        expect(factor[i * rank + row]).toBe(0);
      }
    }
  });

  it('takes zero and dependent columns', () => {
    const [rows, columns] = [8, 4];
    const a = sample(rows, columns);
    a.fill(0, 0, rows);
    a.set(a.slice(rows, 2 * rows), 2 * rows);
    const factor = triangularFactor(a, rows, columns);
    for (let i = 0; i < columns; i += 1) {
      for (let j = 0; j < columns; j += 1) {
        expect(gram(factor, columns, i, j)).toBeCloseTo(gram(a, rows, i, j), 10);
      }
    }
  });

  it('leaves its input alone', () => {
    const a = sample(5, 3);
    const before = a.slice();
    triangularFactor(a, 5, 3);
    expect(a).toEqual(before);
  });
});
