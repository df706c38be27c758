import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { WorkerModules } from '../../examples/built-worker.ts';
import { formatTable } from '../../weights-tools/table.ts';
import { type BenchWorker, startWorker } from '../bench-worker.ts';
import type { EmbedBenchGraphs } from '../embed-graphs.ts';
import { percentile } from '../percentile.ts';
import { fetchTransformersJs } from './fetch-transformers-js.ts';
import { wireCosts } from './wire-costs.ts';

const run = promisify(execFile);
const PICTURES = ['1024.jpg', '12mp.jpg', '1024.png'];
const RUNS = 9;
const FRESH_ISOLATES = 3;
/** Each does what the ones before it do as well. */
const STAGES = ['receive', 'decode', 'resize', 'embed'] as const;

export interface PathsBench {
  /** Has the pictures. */
  readonly folder: string;
  readonly python: string;
  readonly modules: WorkerModules;
  readonly graphs: EmbedBenchGraphs;
}

interface Cost {
  readonly ms: number;
  readonly cpuMs: number;
}

/**
 * Usual pictures from bytes to 1024 embeddings at 7B size, by the worker in workerd and by others on this machine, medians
 * of several runs: where the worker's time goes, processor time of all threads, the first picture of fresh isolates, and
 * the same beside (a) the worker with the unfolded embedding in onnxruntime-web, (b) transformers.js's image processor and
 * the folded or unfolded graph in onnxruntime-node, (c) Pillow and PyTorch; (b) and (c) on one thread. Prints tables.
 */
export async function benchPaths({ folder, python, modules, graphs }: PathsBench): Promise<void> {
  const start = (embedder: string, graph: string) =>
    startWorker(modules, { PATCH_EMBED: embedder }, { 'graph.onnx': graph });
  const pictures = await Promise.all(PICTURES.map((name) => readFile(join(folder, name))));
  const kernel = await start('kernel', graphs.folded);
  const unfolded = await start('onnxruntime', graphs.unfolded);
  const stages: string[][] = [];
  const ours: Cost[] = [];
  const others: Record<string, Cost>[] = [];
  try {
    for (const [i, picture] of pictures.entries()) {
      const name = PICTURES[i] ?? '';
      const { spent, whole } = await measureStages(kernel, picture);
      ours.push(whole);
      others.push({ 'a: unfolded, onnxruntime-web': (await measureStages(unfolded, picture)).whole });
      const { bytes, pngMs } = await wireCosts(picture);
      const wire = [...Object.values(bytes).map((size) => `${(size / 1000).toFixed(0)} kB`), pngMs.toFixed(0)];
      stages.push([name, ...spent.map((ms) => ms.toFixed(0)), whole.ms.toFixed(0), whole.cpuMs.toFixed(0), ...wire]);
    }
  } finally {
    await Promise.all([kernel.stop(), unfolded.stop()]);
  }
  const paths = PICTURES.map((name) => join(folder, name));
  const transformers = await fetchTransformersJs();
  const beside: Record<string, Record<string, Cost>> = {
    'b: transformers.js, folded': await costs(process.execPath, [
      'transformers-js.ts',
      transformers,
      graphs.folded,
      ...paths,
    ]),
    'b: transformers.js, unfolded': await costs(process.execPath, [
      'transformers-js.ts',
      transformers,
      graphs.unfolded,
      ...paths,
    ]),
    'c: Pillow and PyTorch': await costs(python, ['pillow_torch.py', ...paths]),
  };
  const rows = PICTURES.flatMap((name, i) => {
    const all = { ...others[i], ...mapValues(beside, (report) => report[paths[i] ?? '']) };
    return Object.entries(all).map(([who, cost]) => [
      name,
      who,
      ...(['ms', 'cpuMs'] as const).flatMap((kind) => compare(ours[i]?.[kind], cost?.[kind])),
    ]);
  });
  const firsts = pictures.map((): number[] => []);
  for (let isolate = 0; isolate < FRESH_ISOLATES; isolate += 1) {
    for (const [i, picture] of pictures.entries()) {
      const fresh = await start('kernel', graphs.folded);
      firsts[i]?.push((await ask(fresh, picture, 'embed')).ms);
      await fresh.stop();
    }
  }
  const head = ['workerd, to 1024 embeddings', ...STAGES.map((stage) => `${stage} ms`), 'all ms', 'CPU ms'];
  const withFirst = stages.map((row, i) => [...row, percentile(firsts[i] ?? [], 0.5).toFixed(0)]);
  const wires = ['image_embeds', 'pixels', 'original', 'PNG ms'];
  process.stdout.write(`${formatTable([...head, ...wires, 'first ms'], withFirst)}\n`);
  process.stdout.write(`${formatTable(['picture', 'beside', 'ms', 'ours', 'CPU ms', 'ours'], rows)}\n`);
}

/** Of each stage what it adds, and of all together; the stages take turns, so that all see the same machine. */
async function measureStages(worker: BenchWorker, picture: Uint8Array): Promise<{ spent: number[]; whole: Cost }> {
  const times = STAGES.map((): number[] => []);
  const cpu: number[] = [];
  await ask(worker, picture, 'embed');
  await ask(worker, picture, 'embed');
  for (let turn = 0; turn < RUNS; turn += 1) {
    for (const [i, stage] of STAGES.entries()) {
      const { ms, cpuMs } = await ask(worker, picture, stage);
      times[i]?.push(ms);
      if (stage === 'embed') {
        cpu.push(cpuMs);
      }
    }
  }
  const medians = times.map((values) => percentile(values, 0.5));
  const spent = medians.map((ms, i) => ms - (medians[i - 1] ?? 0));
  // The kernel counts in hundredths of a second: a mean says more than a median.
  const cpuMs = cpu.reduce((sum, ms) => sum + ms, 0) / cpu.length;
  return { spent, whole: { ms: medians.at(-1) ?? Number.NaN, cpuMs } };
}

async function ask(worker: BenchWorker, picture: Uint8Array, until: (typeof STAGES)[number]): Promise<Cost> {
  const [startMs, startCpu] = [performance.now(), await worker.cpuMs()];
  const response = await worker.fetch(`http://bench/?until=${until}`, { method: 'POST', body: picture });
  const answer = await response.text();
  const ms = performance.now() - startMs;
  if (!response.ok || answer.includes('refused')) {
    throw new Error(`the bench worker answered ${response.status}: ${answer}`);
  }
  return { ms, cpuMs: (await worker.cpuMs()) - startCpu };
}

async function costs(program: string, [script = '', ...values]: string[]): Promise<Record<string, Cost>> {
  const { stdout } = await run(program, [join(import.meta.dirname, script), ...values], {
    env: { ...process.env, VIPS_CONCURRENCY: '1', OMP_NUM_THREADS: '1' },
  });
  return JSON.parse(stdout) as Record<string, Cost>;
}

/** What another takes, and our part of it. */
function compare(ours = Number.NaN, other = Number.NaN): string[] {
  return [other.toFixed(0), `${(ours / other).toFixed(2)} ×`];
}

function mapValues<From, To>(values: Record<string, From>, change: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, change(value)]));
}
