import type { TensorRef } from '../checkpoint.ts';
import { readFinite } from '../float-blocks.ts';

/** left [rows, rank] · right [rank, columns]: what adapters add to a weight [rows, columns]. */
export interface LowRank {
  readonly rank: number;
  /** f32 elements that the reads below take beside `out`: `readRight`, and `readLeft` of so many rows. */
  readonly rightScratch: number;
  readonly leftScratch: (rows: number) => number;
  /** Rows [first, first + rows) of the left factor. */
  readLeft(first: number, rows: number, out: Float32Array, scratch: Float32Array): Promise<void>;
  readRight(out: Float32Array, scratch: Float32Array): Promise<void>;
}

/** A linear's B [out, r] · A [r, in]. */
export function linearFactors(a: TensorRef, b: TensorRef): LowRank {
  const rank = a.shape[0] ?? 0;
  return {
    rank,
    rightScratch: 0,
    leftScratch: () => 0,
    readLeft: (first, rows, out) => readFinite(b, first * rank, out.subarray(0, rows * rank)),
    readRight: (out) => readFinite(a, 0, out),
  };
}

/** An embedding's (B [hidden, r] · A [r, vocabulary])ᵀ = Aᵀ · Bᵀ. */
export function embeddingFactors(a: TensorRef, b: TensorRef): LowRank {
  const [rank = 0, vocabulary = 0] = a.shape;
  const hidden = b.shape[0] ?? 0;
  return {
    rank,
    rightScratch: hidden * rank,
    leftScratch: (rows) => rows,
    async readLeft(first, rows, out, scratch) {
      const values = scratch.subarray(0, rows);
      for (let k = 0; k < rank; k += 1) {
        await readFinite(a, k * vocabulary + first, values);
        scatter(values, 1, 1, out, k, rank);
      }
    },
    async readRight(out, scratch) {
      const values = scratch.subarray(0, hidden * rank);
      await readFinite(b, 0, values);
      for (let k = 0; k < rank; k += 1) {
        for (let row = 0; row < hidden; row += 1) {
          out[k * hidden + row] = values[row * rank + k] ?? 0;
        }
      }
    },
  };
}

/** Σ scale · left · right as one pair: left factors side by side, each times its scale, right factors one above the other. */
export function stackFactors(
  terms: readonly { readonly factors: LowRank; readonly scale: number }[],
  columns: number,
): LowRank {
  const [only] = terms;
  if (terms.length === 1 && only?.scale === 1) {
    return only.factors;
  }
  const widest = Math.max(...terms.map(({ factors }) => factors.rank));
  const rank = terms.reduce((sum, { factors }) => sum + factors.rank, 0);
  return {
    rank,
    rightScratch: Math.max(...terms.map(({ factors }) => factors.rightScratch)),
    leftScratch: (rows) => rows * widest + Math.max(...terms.map(({ factors }) => factors.leftScratch(rows))),
    async readLeft(first, rows, out, scratch) {
      let at = 0;
      for (const { factors, scale } of terms) {
        const own = scratch.subarray(0, rows * factors.rank);
        await factors.readLeft(first, rows, own, scratch.subarray(rows * widest));
        scatter(own, factors.rank, scale, out, at, rank);
        at += factors.rank;
      }
    },
    async readRight(out, scratch) {
      let at = 0;
      for (const { factors } of terms) {
        const end = at + factors.rank * columns;
        await factors.readRight(out.subarray(at, end), scratch);
        at = end;
      }
    },
  };
}

/** Rows of `width` values, times `scale`, to column `at` of the wider rows of `out`. */
function scatter(
  values: Float32Array,
  width: number,
  scale: number,
  out: Float32Array,
  at: number,
  outWidth: number,
): void {
  for (let from = 0, to = at; from < values.length; from += width, to += outWidth) {
    for (let k = 0; k < width; k += 1) {
      out[to + k] = scale * (values[from + k] ?? 0);
    }
  }
}
