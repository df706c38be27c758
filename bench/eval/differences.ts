import { pairedDifference, type PairedDifference } from './intervals.ts';
import type { Run } from './runs.ts';

/** One run against another on the same questions, over all of them and over each set. */
export interface Difference extends PairedDifference {
  readonly run: string;
  readonly against: string;
  /** Null: over all. */
  readonly task: string | null;
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
  const tasks = new Set(run.questions.map(({ task }) => task));
  return [null, ...tasks].map((task) => {
    const of = (right: readonly boolean[]): boolean[] =>
      right.filter((_, index) => task === null || run.questions[index]?.task === task);
    return { run: nameOf(run), against: nameOf(against), task, ...pairedDifference(of(run.right), of(against.right)) };
  });
}
