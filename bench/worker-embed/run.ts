import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { buildWorker, type WorkerModules } from '../../examples/built-worker.ts';
import { formatTable } from '../../weights-tools/table.ts';
import { type EmbedBenchGraphs, SHAPE_7B, syntheticPatches, writeEmbedBenchGraphs } from '../embed-graphs.ts';
import { type BenchWorker, startWorker } from '../bench-worker.ts';

const CONFIG = resolve(import.meta.dirname, 'wrangler.toml');
const RUNS = 9;
const FRESH_ISOLATES = 3;
const MEGABYTE = 1_000_000;

interface Way {
  readonly name: string;
  /** The worker's variable. */
  readonly embedder: 'kernel' | 'onnxruntime';
  readonly graph: 'folded' | 'unfolded' | 'integer';
}

/** The last is what the others are measured against. */
const WAYS: readonly Way[] = [
  { name: 'own kernel, 16 bits', embedder: 'kernel', graph: 'folded' },
  { name: 'onnxruntime-web, folded f32', embedder: 'onnxruntime', graph: 'folded' },
  { name: 'onnxruntime-web, folded u8 × i8', embedder: 'onnxruntime', graph: 'integer' },
  { name: 'onnxruntime-web, unfolded f32', embedder: 'onnxruntime', graph: 'unfolded' },
];

/**
 * Patch embedding of a 448 × 448 image at 7B size in real workerd, as the worker does it, each way in a process of its own:
 * the first request of fresh isolates, medians of several requests, which alternate so that all see the same machine, the
 * most memory that workerd took beyond what it had at its start, and the error beside the unfolded graph in
 * onnxruntime-node. Times are taken outside, so they hold the request too: its body is 0.6 MB. Prints a table.
 */
export async function benchEmbedInWorkerd(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'vora-bench-'));
  try {
    const graphs = await writeEmbedBenchGraphs(folder);
    const modules = await buildWorker(CONFIG);
    const expected = await embedInNode(graphs.unfolded);
    const workers: BenchWorker[] = [];
    for (const way of WAYS) {
      workers.push(await start(way, modules, graphs));
    }
    try {
      const found = await Promise.all(workers.map(embedAll));
      const times = WAYS.map(() => new Array<number>());
      for (let run = 0; run < RUNS; run += 1) {
        for (const [i, worker] of workers.entries()) {
          times[i]?.push(await timeEmbed(worker));
        }
      }
      const peaks = await Promise.all(workers.map((worker) => worker.peakBytes()));
      const colds = WAYS.map(() => new Array<{ firstMs: number; readMs: number }>());
      for (let run = 0; run < FRESH_ISOLATES; run += 1) {
        for (const [i, way] of WAYS.entries()) {
          colds[i]?.push(await timeFresh(way, modules, graphs));
        }
      }
      const unfoldedMs = median(times.at(-1) ?? []);
      const rows = WAYS.map(({ name }, i) => {
        const ms = median(times[i] ?? []);
        const cold = colds[i] ?? [];
        return [
          name,
          ms.toFixed(1),
          (ms / unfoldedMs).toFixed(3),
          median(cold.map(({ firstMs }) => firstMs)).toFixed(0),
          median(cold.map(({ readMs }) => readMs)).toFixed(0),
          ((peaks[i] ?? 0) / MEGABYTE).toFixed(0),
          worstRow(found[i] ?? new Float32Array(), expected).toExponential(1),
        ];
      });
      const head = ['workerd, 1024 patches at 7B size', 'ms', 'ratio', 'first ms', 'of it reading', 'peak MB', 'error'];
      process.stdout.write(`${formatTable(head, rows)}\n`);
    } finally {
      await Promise.all(workers.map((worker) => worker.stop()));
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

function start({ embedder, graph }: Way, modules: WorkerModules, graphs: EmbedBenchGraphs): Promise<BenchWorker> {
  return startWorker(modules, { PATCH_EMBED: embedder }, { 'graph.onnx': graphs[graph] });
}

/** First request of a fresh isolate: load and run; beside it what reading the graph alone takes in another. */
async function timeFresh(way: Way, modules: WorkerModules, graphs: EmbedBenchGraphs) {
  const [first, second] = [await start(way, modules, graphs), await start(way, modules, graphs)];
  try {
    const startMs = performance.now();
    await (await first.fetch('http://bench/')).text();
    const readMs = performance.now() - startMs;
    return { readMs, firstMs: await timeEmbed(second) };
  } finally {
    await Promise.all([first.stop(), second.stop()]);
  }
}

const { positions, patchLength, hidden } = SHAPE_7B;
const patches = syntheticPatches(positions, patchLength);
const side = Math.sqrt(positions);

/** Milliseconds from request to answer. */
async function timeEmbed(worker: BenchWorker): Promise<number> {
  const startMs = performance.now();
  const response = await worker.fetch(`http://bench/?side=${side}`, { method: 'POST', body: patches });
  const answer = await response.text();
  const ms = performance.now() - startMs;
  if (!response.ok || !answer.includes(`"values":${positions * hidden},`)) {
    throw new Error(`the bench worker answered ${response.status}: ${answer}`);
  }
  return ms;
}

async function embedAll(worker: BenchWorker): Promise<Float32Array> {
  const response = await worker.fetch(`http://bench/?side=${side}&answer=all`, { method: 'POST', body: patches });
  return new Float32Array(await response.arrayBuffer());
}

async function embedInNode(graph: string): Promise<Float32Array> {
  const session = await InferenceSession.create(graph);
  const { embeddings } = await session.run({
    patches: new Tensor('uint8', patches, [positions, patchLength]),
    grid: new Tensor('int64', BigInt64Array.of(BigInt(side), BigInt(side)), [2]),
  });
  await session.release();
  return embeddings?.data as Float32Array;
}

/** The largest ‖found − expected‖ / ‖expected‖ of a patch. */
function worstRow(found: Float32Array, expected: Float32Array): number {
  let worst = 0;
  for (let start = 0; start < expected.length; start += hidden) {
    let error = 0;
    let norm = 0;
    for (let i = start; i < start + hidden; i++) {
      error += ((found[i] ?? Number.NaN) - (expected[i] ?? 0)) ** 2;
      norm += (expected[i] ?? 0) ** 2;
    }
    worst = Math.max(worst, Math.sqrt(error / norm));
  }
  return worst;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
