import { availableParallelism } from 'node:os';
import type { ArtifactFolder } from '../artifact-folder.ts';
import { BadInput } from '../bad-input.ts';
import { firstFrom } from '../float-blocks.ts';
import { rowBytes } from '../gguf/ggml-type.ts';
import { createQuantizePool, type QuantizePool } from '../gguf/quantize-pool.ts';
import { magnitudeLimit } from '../gguf/scheme.ts';
import type { Progress } from '../progress.ts';
import { createTensorWriter } from '../tensor-writer.ts';
import { type GgufJob, type GgufPlan, isSearched } from './gguf-plan.ts';
import { readBlocks } from './row-blocks.ts';

/** Below this a search is over before its threads have started. */
const PARALLEL_FROM_VALUES = 4_000_000;

/**
 * Writes the header, then the weights, tensor by tensor and block of rows by block of rows, through two buffers. Types
 * that search for their scales do so on `threads` threads, all processors unless told, where there is enough to do.
 */
export async function writeGguf(
  { file, layout, jobs, computed, bufferFloats, encodedBytes }: GgufPlan,
  folder: ArtifactFolder,
  { progress, signal, threads }: { progress: Progress; signal: AbortSignal; threads?: number },
): Promise<void> {
  const buffer = new Float32Array(bufferFloats);
  const encoded = new Uint8Array(encodedBytes);
  const output = await folder.create(file, layout.byteLength);
  const pool = startPool(jobs, threads);
  try {
    await output.write(layout.header, 0);
    const writer = createTensorWriter({ ...layout, file }, output);
    for (const [name, { buffer: bytes, byteOffset, byteLength }] of computed) {
      await writer.write(name, new Uint8Array(bytes, byteOffset, byteLength));
    }
    for (const job of jobs) {
      for await (const block of readBlocks(job, buffer, signal)) {
        refuseTooLarge(job, block);
        for (const bytes of await encode(job, block, encoded, pool)) {
          await writer.write(job.name, bytes);
          progress.advance(bytes.byteLength, job.name);
        }
      }
    }
    writer.finish();
  } finally {
    await Promise.all([output.close(), pool?.close()]);
  }
}

function startPool(jobs: readonly GgufJob[], threads: number | undefined): QuantizePool | null {
  const searched = jobs.reduce((sum, job) => sum + (isSearched(job.scheme) ? job.rows * job.columns : 0), 0);
  const wanted = threads ?? (searched < PARALLEL_FROM_VALUES ? 1 : availableParallelism());
  return wanted > 1 ? createQuantizePool(wanted) : null;
}

/** The bytes of a block, in parts that follow each other. */
async function encode(
  { scheme, columns }: GgufJob,
  block: Float32Array,
  encoded: Uint8Array,
  pool: QuantizePool | null,
): Promise<readonly Uint8Array[]> {
  if (pool !== null && isSearched(scheme)) {
    return pool.quantize(scheme.type, block, columns);
  }
  const bytes = encoded.subarray(0, (block.length / columns) * (rowBytes(scheme.type, columns) ?? 0));
  scheme.quantize(block, bytes);
  return [bytes];
}

/** @throws BadInput for the first value that the type turns into an infinity, or could */
function refuseTooLarge({ from, name, scheme }: GgufJob, block: Float32Array): void {
  const found = firstFrom(magnitudeLimit(scheme.type), block);
  if (found !== undefined) {
    throw new BadInput(`tensor ${from.name}: found ${found}, expected what ${scheme.type} of ${name} can hold`);
  }
}
