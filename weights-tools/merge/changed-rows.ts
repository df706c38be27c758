import type { TensorRef } from '../checkpoint.ts';
import { readFinite } from '../float-blocks.ts';
import { columnsOf, type WeightRows } from '../weight-rows.ts';

/** Rows of an embedding that an adapter trained whole. */
export interface TrainedRows {
  /** Row of the weight for each row of `rows`. */
  readonly indices: readonly number[];
  readonly rows: TensorRef;
}

/** The weight with some rows taken from another tensor. Takes no memory of its own. */
export function replacedRows(base: WeightRows, { indices, rows }: TrainedRows): WeightRows {
  const columns = columnsOf(base);
  return {
    ...base,
    async read(first, out) {
      await base.read(first, out);
      for (const [index, row] of indices.entries()) {
        const start = (row - first) * columns;
        if (start >= 0 && start < out.length) {
          const target = out.subarray(start, start + columns);
          await readFinite(rows, index * columns, target);
        }
      }
    },
  };
}

/** A bias and what adapters add to it: one row, base + Σ scale · values. */
export function biasedRows(
  base: WeightRows,
  additions: readonly { readonly values: TensorRef; readonly scale: number }[],
): WeightRows {
  return {
    ...base,
    scratchFloats: (rows) => base.scratchFloats(rows) + rows * columnsOf(base),
    async read(first, out) {
      await base.read(first, out);
      const values = new Float32Array(out.length);
      for (const addition of additions) {
        await readFinite(addition.values, 0, values);
        values.forEach((value, index) => (out[index] = (out[index] ?? 0) + addition.scale * value));
      }
    },
  };
}
