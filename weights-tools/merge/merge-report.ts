import type { FloatDtype } from '../float-blocks.ts';
import { formatTable } from '../table.ts';
import type { RoundingTally } from './rounding-loss.ts';

/** What was added to one weight, and how much of it the output still holds. */
export interface MergedTensor {
  readonly tensor: string;
  readonly rank: number;
  /** Frobenius norms. */
  readonly baseNorm: number;
  readonly addedNorm: number;
  /** 1 - ‖rounding error‖ / ‖what was added‖, at least 0; null where nothing was added. */
  readonly survived: number | null;
}

/** What merge-report.json holds. */
export interface MergeReport {
  readonly dtype: string;
  readonly tensors: readonly MergedTensor[];
}

export const REPORT_FILE = 'merge-report.json';
/** Share of what was added that rounding may take before a warning says so. */
const LOSS_MAX = 0.05;
const DIGITS = 6;

export function mergedTensor(tensor: string, rank: number, { base, added, lost }: RoundingTally): MergedTensor {
  const survived = added === 0 ? null : Math.max(0, 1 - Math.sqrt(lost / added));
  return {
    tensor,
    rank,
    baseNorm: shorten(Math.sqrt(base)),
    addedNorm: shorten(Math.sqrt(added)),
    survived: survived === null ? null : shorten(survived),
  };
}

/** A row for all blocks together: smallest and largest relative norm, and the least that survived. */
export function describeReport({ tensors }: MergeReport): string {
  const groups = Map.groupBy(tensors, ({ tensor }) => tensor.replaceAll(/(?<=\.)\d+(?=\.)/g, '*'));
  const rows = [...groups].map(([pattern, group]) => {
    const relative = group.map(({ baseNorm, addedNorm }) => addedNorm / baseNorm);
    const survived = group.flatMap((one) => one.survived ?? []);
    return [
      String(group.length),
      pattern,
      `${percent(Math.min(...relative))} to ${percent(Math.max(...relative))}`,
      survived.length === 0 ? 'nothing added' : percent(Math.min(...survived)),
    ];
  });
  return formatTable(['count', 'tensor', '‖added‖/‖base‖', 'least survived'], rows);
}

/** What to do where rounding takes too much; null where it does not. */
export function warnOfLoss({ tensors, dtype }: MergeReport): string | null {
  const losing = tensors.filter(({ survived }) => survived !== null && survived < 1 - LOSS_MAX);
  const [worst] = losing.toSorted((a, b) => (a.survived ?? 0) - (b.survived ?? 0));
  if (worst === undefined) {
    return null;
  }
  return (
    `${losing.length} of ${tensors.length} merged tensors lose more than ${percent(LOSS_MAX)} of what the adapters add when they ` +
    `are rounded to ${dtype}, ${worst.tensor} ${percent(1 - (worst.survived ?? 0))}: merge with --dtype f32, or quantize ` +
    'straight from the merge (vora export … with the same --base and --adapter)'
  );
}

export function reportOf(dtype: FloatDtype, tensors: readonly MergedTensor[]): MergeReport {
  return { dtype: dtype.toLowerCase(), tensors };
}

function shorten(value: number): number {
  return Number(value.toPrecision(DIGITS));
}

function percent(share: number): string {
  return `${(100 * share).toPrecision(3)}%`;
}
