import { columnsOf, rowsOf, type WeightRows } from '../weight-rows.ts';
import { addDare, addTies, type Delta, magnitudeThreshold } from './combine-deltas.ts';
import { type LowRank, stackFactors } from './low-rank.ts';
import type { CombineMethod } from './merge-request.ts';
import type { MergedRows } from './merged-rows.ts';
import { seededChoice } from './seeded-choice.ts';
import type { Workspace } from './workspace.ts';

/** One adapter's part in a weight: weight · (scale · left · right). */
export interface Term {
  readonly factors: LowRank;
  readonly scale: number;
  readonly weight: number;
}

/**
 * base + what TIES or DARE make of the adapters' whole changes. A block of n rows takes all right factors, and for each row the
 * base's, zeros, one left factor and one result for each adapter, and one more. TIES reads everything twice before the first
 * rows, to find its thresholds.
 *
 * @param base needs no scratch memory
 */
export function combinedRows(
  base: WeightRows,
  terms: readonly Term[],
  method: Exclude<CombineMethod, { kind: 'exact' }>,
  workspace: Workspace,
): MergedRows {
  const [rows, columns] = [rowsOf(base), columnsOf(base)];
  const parts = terms.map((term) => stackFactors([term], columns));
  const stacked = stackFactors(terms, columns);
  const ranks = parts.map((part) => part.rank);
  const { rank, rightScratch } = stacked;
  const leftScratch = (count: number): number => Math.max(...parts.map((part) => part.leftScratch(count)));
  const owner = {};
  let thresholds: Promise<readonly number[]> | null = null;

  /** Right factors, the base's rows, zeros, a left factor, scratch, results. */
  function partsOf(count: number) {
    return workspace.parts([
      rank * columns,
      count * columns,
      count * columns,
      count * Math.max(...ranks),
      Math.max(rightScratch, leftScratch(count)),
      terms.length * count * columns,
    ]);
  }

  /** What one adapter adds to rows [first, first + count), before its weight. */
  async function change(index: number, part: LowRank, first: number, count: number): Promise<Float32Array> {
    const [right, , zeros, left, scratch, results] = partsOf(count);
    await workspace.load(owner, () => stacked.readRight(right, scratch));
    zeros.fill(0);
    const b = left.subarray(0, count * part.rank);
    await part.readLeft(first, count, b, scratch);
    const start = ranks.slice(0, index).reduce((sum, one) => sum + one, 0) * columns;
    const a = right.subarray(start, start + part.rank * columns);
    const values = results.subarray(index * count * columns, (index + 1) * count * columns);
    const gemm = await workspace.gemm();
    await gemm.run({ w: zeros, b, a, rows: count, rank: part.rank, columns }, values);
    return values;
  }

  /** In blocks as the first read asks for them. */
  async function findThresholds(density: number, count: number): Promise<readonly number[]> {
    const kept = Math.floor(density * rows * columns);
    const found: number[] = [];
    for (const [index, part] of parts.entries()) {
      const threshold = await magnitudeThreshold(kept, async (onBlock) => {
        for (let first = 0; first < rows; first += count) {
          onBlock(await change(index, part, first, Math.min(count, rows - first)));
        }
      });
      found.push(threshold);
    }
    return found;
  }

  async function readWithBase(first: number, out: Float32Array): Promise<Float32Array> {
    const count = out.length / columns;
    const kept = method.kind === 'ties' ? await (thresholds ??= findThresholds(method.density, count)) : [];
    const deltas: Delta[] = [];
    for (const [index, part] of parts.entries()) {
      deltas.push({ values: await change(index, part, first, count), weight: terms[index]?.weight ?? 0 });
    }
    const [, before] = partsOf(count);
    await base.read(first, before);
    out.set(before);
    if (method.kind === 'ties') {
      addTies(deltas, kept, out);
    } else {
      const chance = seededChoice(method.seed, base.name, method.density);
      const keeps = (delta: number, element: number): boolean =>
        chance(delta, first + Math.floor(element / columns), element % columns);
      addDare(deltas, method.density, keeps, out);
    }
    return before;
  }

  return {
    name: base.name,
    shape: base.shape,
    rank,
    scratchFloats: (count) =>
      rank * columns + count * ((3 + terms.length) * columns + Math.max(...ranks)) + rightScratch + leftScratch(count),
    async read(first, out) {
      await readWithBase(first, out);
    },
    readWithBase,
  };
}
