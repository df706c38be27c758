import { BadInput } from '../bad-input.ts';
import type { TensorRef } from '../checkpoint.ts';
import { readFinite } from '../float-blocks.ts';
import { where } from '../tensor-set.ts';
import { columnsOf, rowsOf } from '../weight-rows.ts';
import type { MergedRows } from './merged-rows.ts';

/** DoRA's m: the length that each row of the sum gets, or, as embeddings have it, each column. */
export interface Magnitude {
  readonly lengths: TensorRef;
  readonly axis: 'rows' | 'columns';
}

/**
 * DoRA (arXiv 2402.09353): the merged rows, each brought to its length. Norms are summed in float64. Lengths of columns take
 * one reading of the whole weight before its first rows.
 */
export function doraRows(merged: MergedRows, { lengths, axis }: Magnitude): MergedRows {
  const [rows, columns] = [rowsOf(merged), columnsOf(merged)];
  let columnFactors: Promise<Float64Array> | null = null;

  async function factorsOfColumns(count: number): Promise<Float64Array> {
    const squares = new Float64Array(columns);
    const block = new Float32Array(count * columns);
    for (let first = 0; first < rows; first += count) {
      const values = block.subarray(0, Math.min(count, rows - first) * columns);
      await merged.read(first, values);
      for (let i = 0; i < values.length; i += 1) {
        squares[i % columns] = (squares[i % columns] ?? 0) + (values[i] ?? 0) ** 2;
      }
    }
    const wanted = new Float32Array(columns);
    await readFinite(lengths, 0, wanted);
    return squares.map((square, column) => factor(wanted[column] ?? 0, square, column));
  }

  async function scaleRows(first: number, out: Float32Array): Promise<void> {
    const wanted = new Float32Array(out.length / columns);
    await readFinite(lengths, first, wanted);
    for (const [index, length] of wanted.entries()) {
      const row = out.subarray(index * columns, (index + 1) * columns);
      const scale = factor(length, sumOfSquares(row), first + index);
      row.forEach((value, column) => (row[column] = scale * value));
    }
  }

  function factor(length: number, square: number, index: number): number {
    if (square === 0) {
      throw new BadInput(
        `${where(lengths)}: found a length for ${axis} ${index} of a sum that is 0 there, expected none`,
      );
    }
    return length / Math.sqrt(square);
  }

  async function readWithBase(first: number, out: Float32Array): Promise<Float32Array> {
    if (axis === 'rows') {
      const before = await merged.readWithBase(first, out);
      await scaleRows(first, out);
      return before;
    }
    const factors = await (columnFactors ??= factorsOfColumns(out.length / columns));
    const before = await merged.readWithBase(first, out);
    for (let i = 0; i < out.length; i += 1) {
      out[i] = (factors[i % columns] ?? 0) * (out[i] ?? 0);
    }
    return before;
  }

  return {
    ...merged,
    scratchFloats: (count) => merged.scratchFloats(count) + (axis === 'columns' ? (count + 3) * columns : count),
    async read(first, out) {
      await readWithBase(first, out);
    },
    readWithBase,
  };
}

function sumOfSquares(values: Float32Array): number {
  let sum = 0;
  for (const value of values) {
    sum += value * value;
  }
  return sum;
}
