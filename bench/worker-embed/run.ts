import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';
import { buildWorker, type WorkerModules } from '../../examples/built-worker.ts';
import { SHAPE_7B, syntheticPatches, writeEmbedBenchGraphs } from '../embed-graphs.ts';
import type { EmbedTimes } from '../embed-node.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const RUNS = 15;

/** First request of a fresh isolate, its graph from R2: load, session and run. */
export interface ColdTimes {
  readonly foldedColdMs: number;
  readonly unfoldedColdMs: number;
}

/**
 * Patch embedding of a 448 × 448 image at 7B size, folded and unfolded, in real workerd with the worker's own session:
 * the first request of a fresh isolate, then medians of several, which alternate so that both see the same machine.
 * Times are taken outside, so they hold the request too. Prints times and ratio.
 */
export async function benchEmbedInWorkerd(): Promise<EmbedTimes & ColdTimes> {
  const folder = await mkdtemp(join(tmpdir(), 'vora-bench-'));
  try {
    const graphs = await writeEmbedBenchGraphs(folder);
    const modules = await buildWorker(join(ROOT, 'bench/worker-embed/wrangler.toml'));
    const folded = await startWorker(modules, graphs.folded);
    const unfolded = await startWorker(modules, graphs.unfolded);
    try {
      const foldedColdMs = await folded.embed();
      const unfoldedColdMs = await unfolded.embed();
      const foldedTimes: number[] = [];
      const unfoldedTimes: number[] = [];
      for (let run = 0; run < RUNS; run += 1) {
        foldedTimes.push(await folded.embed());
        unfoldedTimes.push(await unfolded.embed());
      }
      const times = { foldedMs: median(foldedTimes), unfoldedMs: median(unfoldedTimes), foldedColdMs, unfoldedColdMs };
      process.stdout.write(
        `workerd, 1 thread, ${SHAPE_7B.positions} patches at 7B size: folded ${times.foldedMs.toFixed(1)} ms, ` +
          `unfolded ${times.unfoldedMs.toFixed(1)} ms, ratio ${(times.foldedMs / times.unfoldedMs).toFixed(3)}; ` +
          `first image on a fresh isolate: folded ${foldedColdMs.toFixed(0)} ms, unfolded ${unfoldedColdMs.toFixed(0)} ms\n`,
      );
      return times;
    } finally {
      await folded.stop();
      await unfolded.stop();
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function startWorker(modules: WorkerModules, graph: string) {
  const options = convertV4MiniflareOptions({
    modules,
    compatibilityDate: '2026-11-09',
    r2Buckets: ['GRAPHS'],
  });
  const miniflare = new Miniflare(options);
  const bucket = await miniflare.getR2Bucket('GRAPHS');
  await bucket.put('graph.onnx', await readFile(graph));
  const { positions, patchLength, hidden } = SHAPE_7B;
  const patches = syntheticPatches(positions, patchLength);
  const url = `http://bench/?side=${Math.sqrt(positions)}`;
  return {
    /** Embeds 1024 patches; milliseconds from request to answer. */
    async embed(): Promise<number> {
      const startMs = performance.now();
      const response = await miniflare.dispatchFetch(url, { method: 'POST', body: patches });
      const answer = await response.text();
      const ms = performance.now() - startMs;
      if (!response.ok || !answer.includes(`"values":${positions * hidden},`)) {
        throw new Error(`the bench worker answered ${response.status}: ${answer}`);
      }
      return ms;
    },
    stop: () => miniflare.dispose(),
  };
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
