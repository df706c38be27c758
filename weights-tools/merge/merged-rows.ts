import { columnsOf, type WeightRows } from '../weight-rows.ts';
import type { LowRank } from './low-rank.ts';
import type { Workspace } from './workspace.ts';

/** A weight of the base and what adapters add to it. */
export interface MergedRows extends WeightRows {
  /** Ranks of all adapters together. */
  readonly rank: number;
  /**
   * As `read`, but values may not be finite; gives the same rows as the base has them, in memory that the next read takes again.
   */
  readWithBase(first: number, out: Float32Array): Promise<Float32Array>;
}

/**
 * base + left · right, summed in f32 by the workspace's product. A block of n rows takes the right factor whole, and for each
 * row the base's, the left factor's and one more result.
 *
 * @param base needs no scratch memory
 */
export function mergedRows(base: WeightRows, factors: LowRank, workspace: Workspace): MergedRows {
  const columns = columnsOf(base);
  const { rank } = factors;
  const owner = {};

  async function readWithBase(first: number, out: Float32Array): Promise<Float32Array> {
    const rows = out.length / columns;
    const [right, before, left, scratch] = workspace.parts([
      rank * columns,
      rows * columns,
      rows * rank,
      Math.max(factors.rightScratch, factors.leftScratch(rows)),
    ]);
    await workspace.load(owner, () => factors.readRight(right, scratch));
    await base.read(first, before);
    await factors.readLeft(first, rows, left, scratch);
    const gemm = await workspace.gemm();
    await gemm.run({ w: before, b: left, a: right, rows, rank, columns }, out);
    return before;
  }

  return {
    name: base.name,
    shape: base.shape,
    rank,
    scratchFloats: (rows) =>
      rank * columns + rows * (2 * columns + rank) + factors.rightScratch + factors.leftScratch(rows),
    async read(first, out) {
      await readWithBase(first, out);
    },
    readWithBase,
  };
}
