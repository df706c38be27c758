import type { ArtifactFolder } from '../artifact-folder.ts';
import { encodeInPlace, FLOAT_BYTES, readFloats, refuseNonFinite } from '../float-blocks.ts';
import type { Progress } from '../progress.ts';
import { createGemm, type Gemm } from './gemm.ts';
import type { MergePlan, TensorJob } from './plan.ts';
import type { LoraPair } from './tensor-roles.ts';

/**
 * Executes a plan: file by file, tensor by tensor, block of rows by block of rows, through one buffer that is allocated
 * once. A block is read, widened to f32, computed, rounded once and written to its place.
 */
export async function runMerge(
  plan: MergePlan,
  folder: ArtifactFolder,
  { progress, signal }: { progress: Progress; signal: AbortSignal },
): Promise<void> {
  const buffer = new ArrayBuffer(Math.ceil(plan.bufferBytes / 4) * 4);
  const gemm = await createGemm();
  try {
    for (const { path, layout, jobs } of plan.files) {
      const output = await folder.create(path, layout.byteLength);
      try {
        await output.write(layout.header, 0);
        for (const job of jobs) {
          let position = job.start;
          for await (const bytes of blocksOf(job, buffer, gemm)) {
            signal.throwIfAborted();
            await output.write(bytes, position);
            position += bytes.byteLength;
            progress.advance(bytes.byteLength, job.name);
          }
        }
      } finally {
        await output.close();
      }
    }
  } finally {
    await gemm.release();
  }
}

/** Yields the output bytes of a tensor in order; each block lives in `buffer` until the next is asked for. */
function blocksOf(job: TensorJob, buffer: ArrayBuffer, gemm: Gemm): AsyncGenerator<Uint8Array> {
  if (job.lora !== null) {
    return mergedBlocks(job, job.lora, new Float32Array(buffer), gemm);
  }
  return job.action === 'copy'
    ? copiedBlocks(job, new Uint8Array(buffer))
    : convertedBlocks(job, new Float32Array(buffer));
}

async function* copiedBlocks(
  { from, dtype, rows, rowsPerBlock }: TensorJob,
  buffer: Uint8Array,
): AsyncGenerator<Uint8Array> {
  const elementBytes = FLOAT_BYTES[dtype];
  for (let first = 0; first < rows; first += rowsPerBlock) {
    const bytes = buffer.subarray(0, Math.min(rowsPerBlock, rows - first) * elementBytes);
    await from.source.readInto(bytes, from.start + first * elementBytes);
    yield bytes;
  }
}

async function* convertedBlocks(
  { from, dtype, rows, rowsPerBlock }: TensorJob,
  buffer: Float32Array,
): AsyncGenerator<Uint8Array> {
  for (let first = 0; first < rows; first += rowsPerBlock) {
    const values = buffer.subarray(0, Math.min(rowsPerBlock, rows - first));
    await readFloats(from, first, values);
    refuseNonFinite(from, dtype, values);
    yield encodeInPlace(dtype, values);
  }
}

async function* mergedBlocks(
  { from, dtype, rows, columns, rowsPerBlock }: TensorJob,
  lora: LoraPair,
  buffer: Float32Array,
  gemm: Gemm,
): AsyncGenerator<Uint8Array> {
  const { rank } = lora;
  const wAt = rank * columns;
  const bAt = wAt + rowsPerBlock * columns;
  const outAt = bAt + rowsPerBlock * rank;
  const a = buffer.subarray(0, wAt);
  await readFloats(lora.a, 0, a);
  for (let first = 0; first < rows; first += rowsPerBlock) {
    const count = Math.min(rowsPerBlock, rows - first);
    const w = buffer.subarray(wAt, wAt + count * columns);
    const b = buffer.subarray(bAt, bAt + count * rank);
    const out = buffer.subarray(outAt, outAt + count * columns);
    await readFloats(from, first * columns, w);
    await readFloats(lora.b, first * rank, b);
    await gemm.run({ w, b, a, rows: count, rank, columns }, out);
    refuseNonFinite(from, dtype, out);
    yield encodeInPlace(dtype, out);
  }
}
