import type { Taps } from './bicubic-taps.ts';

/** What becomes of sums of rows; each sum has a slot, which others use after it. */
export interface ColumnSums<Row> {
  /** Adds a row to the sum in a slot. */
  add(row: Row, slot: number, weight: number): void;
  /** Gives the sum in a slot out as row `y` of the result, and begins another. */
  take(slot: number, y: number): void;
}

/**
 * Adds each row, as it comes, to the output rows that it reaches, and takes those that no later row reaches. Whole numbers:
 * the order of adding changes nothing. Output rows that reach no row at all are never taken.
 */
export function columnSchedule<Row>(
  { starts, counts, weights, stride }: Taps,
  sums: ColumnSums<Row>,
): { push: (row: Row) => void; slots: number } {
  // Starts and ends never fall from one output row to the next, so those in use are neighbours.
  const slots = mostAtOnce(starts, counts);
  let sourceRow = 0;
  let first = 0;
  return {
    slots,
    push(row) {
      for (let y = first; y < starts.length && (starts[y] ?? 0) <= sourceRow; y++) {
        const start = starts[y] ?? 0;
        const end = start + (counts[y] ?? 0);
        if (sourceRow < end) {
          sums.add(row, y % slots, weights[y * stride + sourceRow - start] ?? 0);
        }
        if (sourceRow + 1 >= end) {
          if (end > start) {
            sums.take(y % slots, y);
          }
          first = y === first ? y + 1 : first;
        }
      }
      sourceRow += 1;
    },
  };
}

/** The most output rows that one row reaches. */
function mostAtOnce(starts: Int32Array, counts: Int32Array): number {
  let most = 1;
  let first = 0;
  for (let y = 0; y < starts.length; y++) {
    while (first < y && (starts[first] ?? 0) + (counts[first] ?? 0) <= (starts[y] ?? 0)) {
      first += 1;
    }
    most = Math.max(most, y - first + 1);
  }
  return most;
}
