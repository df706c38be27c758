import { roundHalfEven } from '../../src/core/bytes/round-half-even.ts';
import type { FitGrid } from './fit-grid.ts';

/** Rows of a weight as codes, one a byte, with scale and zero point of each group of neighbours in a row. */
export interface BlockCodes {
  /** [rows, groups · groupSize]; what fills up the last group stands for 0. */
  readonly codes: Uint8Array;
  /** f32 [rows, groups] */
  readonly scales: Float32Array;
  /** [rows, groups]; a weight is (code − zero point) · scale. */
  readonly zeros: Uint8Array;
}

export interface BlockFormat {
  readonly bits: number;
  readonly groupSize: number;
  readonly fit: FitGrid;
  /** Rounds a scale to the dtype in which it is stored; codes are then chosen for that scale. */
  readonly storeScale?: (scale: number) => number;
  /** What the squared error in a column counts for, [columns]; all the same when absent. */
  readonly importance?: Float32Array | undefined;
}

/**
 * Rounds f32 [rows, columns] to the nearest code, ties to even, over groups along each row: groups = ceil(columns / groupSize).
 * The quotient of weight and scale is rounded to f32 first, as torch divides.
 *
 * @throws RangeError for a value that is not finite
 */
export function quantizeBlocks(values: Float32Array, columns: number, format: BlockFormat): BlockCodes {
  const { bits, groupSize, fit, storeScale = Math.fround, importance = new Float32Array(columns).fill(1) } = format;
  const rows = values.length / columns;
  const groups = Math.ceil(columns / groupSize);
  const highest = 2 ** bits - 1;
  const codes = new Uint8Array(rows * groups * groupSize);
  const scales = new Float32Array(rows * groups);
  const zeros = new Uint8Array(rows * groups);
  for (let row = 0; row < rows; row += 1) {
    for (let group = 0; group < groups; group += 1) {
      const first = group * groupSize;
      const start = row * columns + first;
      const end = Math.min(start + groupSize, (row + 1) * columns);
      const grid = fit(values, start, end, importance.subarray(first, first + end - start));
      const scale = storeScale(grid.scale);
      const index = row * groups + group;
      const target = index * groupSize;
      codes.fill(grid.zero, target, target + groupSize);
      if (scale !== 0) {
        for (let i = start; i < end; i += 1) {
          const code = roundHalfEven(Math.fround((values[i] ?? 0) / scale)) + grid.zero;
          codes[target + i - start] = Math.min(Math.max(code, 0), highest);
        }
      }
      scales[index] = scale;
      zeros[index] = grid.zero;
    }
  }
  return { codes, scales, zeros };
}

/** The f32 weights [rows, columns] that the codes of {@link quantizeBlocks} stand for. */
export function dequantizeBlocks(
  { codes, scales, zeros }: BlockCodes,
  columns: number,
  groupSize: number,
): Float32Array {
  const groups = Math.ceil(columns / groupSize);
  const rows = scales.length / groups;
  const values = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const index = row * groups + Math.floor(column / groupSize);
      const code = codes[row * groups * groupSize + column] ?? 0;
      values[row * columns + column] = (code - (zeros[index] ?? 0)) * (scales[index] ?? 0);
    }
  }
  return values;
}
