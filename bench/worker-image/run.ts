import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { RequestError } from '../../src/core/protocol/failure.ts';
import { buildWorker } from '../../examples/built-worker.ts';
import { formatTable } from '../../weights-tools/table.ts';
import { type BenchWorker, startWorker } from '../bench-worker.ts';
import { writeEmbedBenchGraphs } from '../embed-graphs.ts';
import { percentile } from '../percentile.ts';
import { findPython } from '../weights/python.ts';
import { benchPaths } from './paths.ts';
import { scaledError } from './scaled-error.ts';
import { benchWholeWorker } from './whole-worker.ts';

const RUNS = 5;
const AT_ONCE = 4;
const MEGABYTE = 1_000_000;
const PICTURES = ['1024.jpg', '12mp.jpg', '12mp-progressive.jpg', '48mp.jpg', '48mp-progressive.jpg', '200mp.jpg'];

/**
 * Photos from bytes to embeddings at 7B size in real workerd. First where the time goes, beside other pipelines
 * (paths.ts). Then large photos, a fresh process for each: the first request, the median of later ones, and the most memory:
 * of the isolate as its engine counts it, for one request and for four at once, each after a collection; and of the process
 * beyond its start. Last the memory of the whole worker (whole-worker.ts), or that alone.
 */
export async function benchImageInWorkerd(only?: string): Promise<void> {
  const python = await findPython(['numpy', 'PIL', 'torch']);
  if (python === null) {
    return;
  }
  const folder = await mkdtemp(join(tmpdir(), 'vora-bench-'));
  try {
    await promisify(execFile)(python, [join(import.meta.dirname, 'pictures.py'), folder]);
    const graphs = await writeEmbedBenchGraphs(folder);
    if (only === 'whole') {
      await benchWholeWorker(folder, graphs.folded);
      return;
    }
    const modules = await buildWorker(join(import.meta.dirname, 'wrangler.toml'));
    await benchPaths({ folder, python, modules, graphs });
    const rows: string[][] = [];
    for (const name of PICTURES) {
      const worker = await startWorker(modules, { PATCH_EMBED: 'kernel' }, { 'graph.onnx': graphs.folded });
      try {
        const picture = new Uint8Array(await readFile(join(folder, name)));
        rows.push([name, ...(await measure(worker, picture)), await describeError(picture)]);
      } finally {
        await worker.stop();
      }
    }
    const head = [
      'workerd, photo to 1024 embeddings',
      'MB',
      'first ms',
      'ms',
      'isolate MB',
      `${AT_ONCE} at once`,
      'process MB',
      'error',
    ];
    process.stdout.write(`${formatTable(head, rows)}\n`);
    await benchWholeWorker(folder, graphs.folded);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function measure(worker: BenchWorker, picture: Uint8Array): Promise<string[]> {
  const send = async (): Promise<{ ms: number; answer: string }> => {
    const startMs = performance.now();
    const response = await worker.fetch('http://bench/', { method: 'POST', body: picture });
    const answer = await response.text();
    if (!response.ok) {
      throw new Error(`the bench worker answered ${response.status}: ${answer}`);
    }
    return { ms: performance.now() - startMs, answer };
  };
  const first = await send();
  const times: number[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    times.push((await send()).ms);
  }
  const ofProcess = await worker.peakBytes();
  const isolate = await worker.watch();
  await isolate.restart();
  await send();
  const ofIsolate = await isolate.peakBytes();
  await isolate.restart();
  await Promise.all(Array.from({ length: AT_ONCE }, send));
  const ofIsolateAtOnce = await isolate.peakBytes();
  await isolate.stop();
  return [
    (picture.length / MEGABYTE).toFixed(1),
    first.ms.toFixed(0),
    percentile(times, 0.5).toFixed(0),
    ...[ofIsolate, ofIsolateAtOnce, ofProcess].map((bytes) => (bytes / MEGABYTE).toFixed(0)),
  ];
}

/** Of the model's input beside that of a full decode. */
async function describeError(picture: Uint8Array): Promise<string> {
  try {
    const error = await scaledError(picture);
    return error === null ? 'none' : `mean ${error.mean.toFixed(2)}, largest ${error.largest} of 255`;
  } catch (error) {
    return error instanceof RequestError ? `refused: ${error.failure.kind}` : String(error);
  }
}
