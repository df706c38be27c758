import { pairedDifference, type PairedDifference } from './intervals.ts';
import type { Question } from './question-sets.ts';
import type { Run } from './runs.ts';

/** One run against another on the same questions: over all of them, over each set, and over each kind of a set. */
export interface Difference extends PairedDifference {
  readonly run: string;
  readonly against: string;
  /** Null: over all sets. */
  readonly task: string | null;
  /** Null: over all kinds. */
  readonly kind: string | null;
}

export function nameOf({ artifact, wire }: Run): string {
  return `${artifact}, ${wire}`;
}

/** Quantized against f32 by the same wire, `pixels` against `image_embeds` of the same artifact, f32 against the base. */
export function compareRuns(runs: readonly Run[]): Difference[] {
  return runs.flatMap((run) =>
    runs.filter((other) => isBaseline(run, other)).flatMap((against) => comparePair(run, against)),
  );
}

function isBaseline(run: Run, other: Run): boolean {
  if (run.artifact === other.artifact) {
    return run.wire === 'pixels' && other.wire === 'image_embeds';
  }
  if (run.wire !== other.wire) {
    return false;
  }
  return run.artifact === 'f32' ? other.artifact === 'base' : run.artifact !== 'base' && other.artifact === 'f32';
}

function comparePair(run: Run, against: Run): Difference[] {
  const keys = run.questions.flatMap(({ task, kind }) => [
    [null, null],
    [task, null],
    [task, kind],
  ]);
  const groups = new Map(keys.map(([task = null, kind = null]) => [JSON.stringify([task, kind]), { task, kind }]));
  return [...groups.values()].map(({ task, kind }) => {
    const isOf = (question: Question | undefined): boolean =>
      (task === null || question?.task === task) && (kind === null || question?.kind === kind);
    const of = (right: readonly boolean[]): boolean[] => right.filter((_, index) => isOf(run.questions[index]));
    const difference = pairedDifference(of(run.right), of(against.right));
    return { run: nameOf(run), against: nameOf(against), task, kind, ...difference };
  });
}
