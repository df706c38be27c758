/**
 * `npm run fuzz -- weights|worker|images [--count N] [--seed N] [--only TARGET]`: N mutated inputs for each reader of
 * weights-tools, for each door of the worker, or for the headers of images and every decoder behind them. The same seed gives the same inputs. Every finding is written to the corpus, which the
 * tests replay; exit code 1 with any.
 */
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Worker, isMainThread, workerData } from 'node:worker_threads';
import { HANG_MS, judge, makeInput } from './fuzz.ts';
import type { Target } from './target.ts';

/** Folders with `targets.ts` and `corpus/`. Read by name: the worker's files have a type check of their own. */
const SUITES = {
  weights: '../weights-tools/attacks',
  worker: '../worker/attacks',
  images: '../core/image/attacks',
} as const;

interface Run {
  readonly suite: keyof typeof SUITES;
  readonly target: string;
  readonly seed: number;
  readonly count: number;
  /** i32 [2]: the index at work, and the number of findings. */
  readonly state: SharedArrayBuffer;
}

/** A reader that never ends is ended from outside; the index at work says which input it was. */
const WATCH_MS = 5 * HANG_MS;
const FINDINGS_MAX = 10;

if (isMainThread) {
  await main();
} else {
  await work(workerData as Run);
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      count: { type: 'string', default: '100000' },
      seed: { type: 'string', default: '1' },
      only: { type: 'string' },
    },
  });
  const [count, seed] = [Number(values.count), Number(values.seed)];
  const suite = positionals.length === 1 ? suiteOf(positionals[0]) : undefined;
  const names = suite === undefined ? [] : (await targetsOf(suite)).map(({ name }) => name);
  const chosen = names.filter((name) => values.only === undefined || values.only === name);
  if (suite === undefined || !Number.isInteger(count) || !Number.isInteger(seed) || chosen.length === 0) {
    console.error(
      `usage: npm run fuzz -- ${Object.keys(SUITES).join('|')} [--count N] [--seed N] [--only ${names.join('|') || 'TARGET'}]`,
    );
    process.exitCode = 2;
    return;
  }
  for (const target of chosen) {
    const startMs = performance.now();
    const { inputs, findings } = await watch({ suite, target, seed, count, state: new SharedArrayBuffer(8) });
    const seconds = (performance.now() - startMs) / 1000;
    console.log(`${target}: ${inputs} inputs of seed ${seed} in ${seconds.toFixed(1)} s, ${findings} findings`);
    process.exitCode = findings > 0 ? 1 : process.exitCode;
  }
}

function suiteOf(name: string | undefined): Run['suite'] | undefined {
  return name === 'weights' || name === 'worker' || name === 'images' ? name : undefined;
}

async function targetsOf(suite: Run['suite']): Promise<readonly Target[]> {
  const url = new URL(`${SUITES[suite]}/targets.ts`, import.meta.url);
  return ((await import(url.href)) as { TARGETS: readonly Target[] }).TARGETS;
}

/** Runs one target in a thread of its own. */
async function watch(run: Run): Promise<{ inputs: number; findings: number }> {
  const state = new Int32Array(run.state);
  const worker = new Worker(new URL(import.meta.url), { workerData: run });
  let last = -1;
  const timer = setInterval(() => {
    const index = Atomics.load(state, 0);
    if (index === last) {
      console.log(`${run.target}: input ${index} of seed ${run.seed} runs for over ${WATCH_MS} ms`);
      Atomics.add(state, 1, 1);
      void save(run, index).then(() => worker.terminate());
    }
    last = index;
  }, WATCH_MS);
  try {
    await new Promise<void>((resolve, reject) => {
      worker.once('exit', () => resolve());
      worker.once('error', reject);
    });
  } finally {
    clearInterval(timer);
  }
  return { inputs: Atomics.load(state, 0) + 1, findings: Atomics.load(state, 1) };
}

async function work(run: Run): Promise<void> {
  const { target: name, seed, count } = run;
  const state = new Int32Array(run.state);
  const target = await targetOf(run);
  for (let index = 0; index < count && Atomics.load(state, 1) < FINDINGS_MAX; index += 1) {
    Atomics.store(state, 0, index);
    const what = await judge(target, makeInput(target, seed, index));
    if (what !== null) {
      console.log(`${name}: input ${index} of seed ${seed}: ${what}`);
      Atomics.add(state, 1, 1);
      await save(run, index);
    }
  }
}

async function save(run: Run, index: number): Promise<void> {
  const input = makeInput(await targetOf(run), run.seed, index);
  const hash = createHash('sha256').update(input).digest('hex').slice(0, 12);
  const corpus = join(import.meta.dirname, SUITES[run.suite], 'corpus');
  await mkdir(corpus, { recursive: true });
  await writeFile(join(corpus, `${run.target}-${hash}.bin`), input);
}

async function targetOf({ suite, target: name }: Run): Promise<Target> {
  const target = (await targetsOf(suite)).find((candidate) => candidate.name === name);
  if (target === undefined) {
    throw new RangeError(`no target ${name}`);
  }
  return target;
}
