import { FLOAT_BYTES, type FloatDtype } from '../float-blocks.ts';
import { columnsOf, rowsOf } from '../weight-rows.ts';
import type { MergeModel } from './merge-model.ts';
import { rowsThatFit, shareMemory } from './plan-blocks.ts';

/** Below this a merge is over before its threads have started. */
const THREADS_FROM_BYTES = 256e6;
/** A product of fewer rows spends more time on arranging its right factor than on multiplying. */
const ROWS_WORTH_A_PRODUCT = 128;

/**
 * How many threads share a merge: so many as the command line says, or one for each processor where the merge is worth it;
 * fewer where the part of the memory that each gets would hold too few rows to multiply well.
 */
export function threadsFor(
  { weights: model }: Pick<MergeModel, 'weights'>,
  options: { weights: FloatDtype; memoryBytes: number; asked: number | undefined; processors: number },
): number {
  const { weights, memoryBytes, asked, processors } = options;
  const all = [...model.values()];
  const merged = all.filter((weight) => weight.merged !== null);
  const bytes = all.reduce((sum, { rows }) => sum + rowsOf(rows) * columnsOf(rows) * FLOAT_BYTES[weights], 0);
  let threads = asked ?? (bytes < THREADS_FROM_BYTES ? 1 : processors);
  const haveRoom = (): boolean =>
    merged.every(
      (weight) =>
        rowsThatFit(weight, weights, shareMemory(memoryBytes, threads)) >=
        Math.min(rowsOf(weight.rows), ROWS_WORTH_A_PRODUCT),
    );
  while (threads > 1 && !haveRoom()) {
    threads -= 1;
  }
  return threads;
}
