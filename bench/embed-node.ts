import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { SHAPE_7B, syntheticPatches, writeEmbedBenchGraphs } from './embed-graphs.ts';

const RUNS = 15;

export interface EmbedTimes {
  readonly foldedMs: number;
  readonly unfoldedMs: number;
}

/**
 * Patch embedding of a 448 × 448 image at 7B size, folded and unfolded, in onnxruntime-node on one thread: medians of
 * several runs, which alternate so that both see the same machine. Prints times and ratio.
 */
export async function benchEmbedInNode(): Promise<EmbedTimes> {
  const folder = await mkdtemp(join(tmpdir(), 'vora-bench-'));
  try {
    const { folded, unfolded, foldMs } = await writeEmbedBenchGraphs(folder);
    const foldedTimes: number[] = [];
    const unfoldedTimes: number[] = [];
    const runFolded = await openEmbedder(folded);
    const runUnfolded = await openEmbedder(unfolded);
    await runFolded();
    await runUnfolded();
    for (let run = 0; run < RUNS; run += 1) {
      foldedTimes.push(await runFolded());
      unfoldedTimes.push(await runUnfolded());
    }
    const times = { foldedMs: median(foldedTimes), unfoldedMs: median(unfoldedTimes) };
    process.stdout.write(
      `node, 1 thread, ${SHAPE_7B.positions} patches at 7B size: folded ${times.foldedMs.toFixed(1)} ms, ` +
        `unfolded ${times.unfoldedMs.toFixed(1)} ms, ratio ${(times.foldedMs / times.unfoldedMs).toFixed(3)} ` +
        `(folding took ${(foldMs / 1000).toFixed(1)} s, once)\n`,
    );
    return times;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** A function that embeds 1024 patches and says how many milliseconds that took. */
async function openEmbedder(path: string): Promise<() => Promise<number>> {
  const session = await InferenceSession.create(path, { intraOpNumThreads: 1 });
  const { positions, patchLength } = SHAPE_7B;
  const side = BigInt(Math.sqrt(positions));
  const feeds = {
    patches: new Tensor('uint8', syntheticPatches(positions, patchLength), [positions, patchLength]),
    grid: new Tensor('int64', BigInt64Array.of(side, side), [2]),
  };
  return async () => {
    const startMs = performance.now();
    await session.run(feeds);
    return performance.now() - startMs;
  };
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
