/**
 * `npm run eval -- DIR`: asks the questions of the held-out sets in DIR (`python -m training heldout`) through the real
 * worker and the real endpoint, and prints how many answers are exactly right.
 */
import { writeFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { MalformedFile } from '../../src/core/bytes/malformed-file.ts';
import { BadInput } from '../../weights-tools/bad-input.ts';
import { type Artifact, ARTIFACTS, buildArtifacts } from './artifacts.ts';
import { compareRuns } from './differences.ts';
import { readQuestionSets } from './question-sets.ts';
import { describeDifferences, describeRun, type Report, type ScoredRun, scoreRun } from './report.ts';
import { type Run, runAll, type Wire, WIRES } from './runs.ts';
import { readTrainingFigures } from './training-figures.ts';

interface EvalOptions {
  readonly model: string;
  readonly artifact: readonly Artifact[];
  readonly wire: readonly Wire[];
  readonly set?: readonly string[];
  readonly count?: number;
  readonly compare?: string;
  readonly json?: string;
}

const MODEL = resolve(import.meta.dirname, '../../models/vora-tiny');

await new Command('npm run eval --')
  .description('Exact-match accuracy on held-out sets, through worker and endpoint.')
  .argument('<dir>', 'folder that `python -m training heldout` wrote')
  .option('--model <dir>', 'folder with base/ and adapter/', MODEL)
  .option('--artifact <list>', `of ${ARTIFACTS.join(', ')}`, listOf(ARTIFACTS), [...ARTIFACTS])
  .option('--wire <list>', `of ${WIRES.join(', ')}`, listOf(WIRES), [...WIRES])
  .option('--set <name...>', 'only these sets')
  .option('--count <n>', 'only the first n questions of each set', parseCount)
  .option('--compare <file>', 'accuracy.json of the training side, to print its figures beside ours')
  .option('--json <file>', 'write the report there too')
  .action(evaluate)
  .parseAsync()
  .catch((error: unknown) => {
    if (!(error instanceof BadInput || error instanceof MalformedFile)) {
      throw error;
    }
    console.error(error.message);
    process.exitCode = 1;
  });

async function evaluate(folder: string, options: EvalOptions): Promise<void> {
  const { set, count } = options;
  const questions = await readQuestionSets(folder, { ...(set && { names: set }), ...(count && { count }) });
  const figures = options.compare === undefined ? undefined : await readTrainingFigures(options.compare);
  const plan = { model: basename(resolve(options.model)), artifacts: options.artifact, wires: options.wire, questions };
  const withBase = plan.artifacts.includes('f32') && questions.some(({ image }) => image === null);
  const built = await buildArtifacts({ model: options.model, name: plan.model, artifacts: plan.artifacts, withBase });
  const runs: Run[] = [];
  const scored: ScoredRun[] = [];
  try {
    for await (const run of runAll(plan, built)) {
      const result = scoreRun(run, figures);
      process.stdout.write(describeRun(result));
      runs.push(run);
      scored.push(result);
    }
  } finally {
    await built.remove();
  }
  const report: Report = { model: plan.model, runs: scored, differences: compareRuns(runs) };
  process.stdout.write(describeDifferences(report.differences));
  if (options.json !== undefined) {
    await writeFile(options.json, `${JSON.stringify(report, null, 1)}\n`);
  }
}

function listOf<T extends string>(choices: readonly T[]): (text: string) => T[] {
  return (text) =>
    text.split(',').map((name) => {
      const found = choices.find((choice) => choice === name);
      if (found === undefined) {
        throw new InvalidArgumentError(`Expected some of ${choices.join(',')}.`);
      }
      return found;
    });
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new InvalidArgumentError('Expected a whole number from 1.');
  }
  return count;
}
