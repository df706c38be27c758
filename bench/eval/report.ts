import { formatTable } from '../../weights-tools/table.ts';
import { type Difference, nameOf } from './differences.ts';
import type { Interval } from './intervals.ts';
import type { Run } from './runs.ts';
import { type Score, scoreAnswers } from './score.ts';
import { trainingFigure, type TrainingFigure, type TrainingFigures } from './training-figures.ts';

export interface ScoredRun {
  readonly run: string;
  readonly questions: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly scores: readonly (Score & { readonly training?: TrainingFigure })[];
}

/** What `--json` writes. */
export interface Report {
  readonly model: string;
  readonly runs: readonly ScoredRun[];
  readonly differences: readonly Difference[];
}

export function scoreRun(run: Run, figures: TrainingFigures | undefined): ScoredRun {
  const scores = scoreAnswers(run.questions, run.right).map((score) => {
    const training = figures && trainingFigure(figures, run, score);
    return training === undefined ? score : { ...score, training };
  });
  const { length: questions } = run.questions;
  return { run: nameOf(run), questions, seconds: run.seconds, perSecond: questions / run.seconds, scores };
}

export function describeRun({ run, questions, seconds, perSecond, scores }: ScoredRun): string {
  const compared = scores.some(({ training }) => training !== undefined);
  const header = ['set', 'kind', 'exact', '95 % interval', 'blind', 'n', ...(compared ? ['training (n)'] : [])];
  const rows = scores.map(({ task, kind, accuracy, interval, blind, count, training }) => [
    task,
    kind,
    share(accuracy),
    `${share(interval[0])} to ${share(interval[1])}`,
    share(blind),
    String(count),
    training === undefined ? '' : `${share(training.accuracy)} (${training.count})`,
  ]);
  const pace = `${questions} questions in ${seconds.toFixed(0)} s, ${perSecond.toFixed(0)} a second`;
  return `\n${run}: ${pace}\n${formatTable(header, rows)}\n${describeLargest(scores)}`;
}

function describeLargest(scores: ScoredRun['scores']): string {
  const compared = scores.flatMap(({ task, kind, training }) =>
    training === undefined ? [] : { task, kind, training },
  );
  const [largest] = compared.sort((a, b) => Math.abs(b.training.difference) - Math.abs(a.training.difference));
  if (largest === undefined) {
    return '';
  }
  const { task, kind, training } = largest;
  return `largest difference from the training side: ${points(training.difference)} points (${task}, ${kind})\n`;
}

/** Whole sets, and those kinds whose difference is more than chance. */
export function describeDifferences(all: readonly Difference[]): string {
  const differences = all.filter(({ kind, interval: [low, high] }) => kind === null || low > 0 || high < 0);
  if (differences.length === 0) {
    return '';
  }
  const header = ['run', 'against', 'set', 'kind', 'points', '95 % interval', 'only it right', 'only other right', 'n'];
  const rows = differences.map(({ run, against, task, kind, difference, interval, onlyFirst, onlySecond, count }) => [
    run,
    against,
    task ?? 'all',
    kind ?? 'all',
    points(difference),
    rangeOfPoints(interval),
    ...[onlyFirst, onlySecond, count].map(String),
  ]);
  return `\n${formatTable(header, rows)}\n`;
}

function share(value: number): string {
  return value.toFixed(3);
}

function points(value: number): string {
  const text = (100 * value).toFixed(2);
  return Number(text) === 0 ? '0.00' : `${value < 0 ? '' : '+'}${text}`;
}

function rangeOfPoints([low, high]: Interval): string {
  return `${points(low)} to ${points(high)}`;
}
