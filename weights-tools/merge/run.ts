import type { ArtifactFolder } from '../artifact-folder.ts';
import { encodeInPlace, FLOAT_BYTES, refuseNonFinite } from '../float-blocks.ts';
import type { Progress } from '../progress.ts';
import { type MergedTensor, mergedTensor, type MergeReport, reportOf } from './merge-report.ts';
import type { MergedRows } from './merged-rows.ts';
import type { MergePlan, TensorJob } from './plan.ts';
import { roundAndMeasure } from './rounding-loss.ts';

/**
 * Executes a plan: file by file, tensor by tensor, block of rows by block of rows, through one buffer that is allocated
 * once. A block is read, widened to f32, computed, rounded once and written to its place.
 */
export async function runMerge(
  plan: MergePlan,
  folder: ArtifactFolder,
  { progress, signal }: { progress: Progress; signal: AbortSignal },
): Promise<MergeReport> {
  const buffer = new ArrayBuffer(Math.ceil(plan.bufferBytes / 4) * 4);
  const merged: MergedTensor[] = [];
  for (const { path, layout, jobs } of plan.files) {
    const output = await folder.create(path, layout.byteLength);
    try {
      await output.write(layout.header, 0);
      for (const job of jobs) {
        let position = job.start;
        for await (const bytes of blocksOf(job, buffer, (tensor) => merged.push(tensor))) {
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
  return reportOf(plan.weights, merged);
}

/** Yields the output bytes of a tensor in order; each block lives in `buffer` until the next is asked for. */
function blocksOf(
  job: TensorJob,
  buffer: ArrayBuffer,
  onMerged: (tensor: MergedTensor) => void,
): AsyncGenerator<Uint8Array> {
  const { merged } = job.weight;
  if (merged !== null) {
    return mergedBlocks(job, merged, buffer, onMerged);
  }
  return job.action === 'copy' ? copiedBlocks(job, buffer) : convertedBlocks(job, buffer);
}

async function* copiedBlocks(
  { weight: { tensor }, dtype, rows, rowsPerBlock }: TensorJob,
  buffer: ArrayBuffer,
): AsyncGenerator<Uint8Array> {
  const elementBytes = FLOAT_BYTES[dtype];
  for (let first = 0; first < rows; first += rowsPerBlock) {
    const bytes = new Uint8Array(buffer, 0, Math.min(rowsPerBlock, rows - first) * elementBytes);
    await tensor.source.readInto(bytes, tensor.start + first * elementBytes);
    yield bytes;
  }
}

async function* convertedBlocks(
  { weight, dtype, rows, columns, rowsPerBlock }: TensorJob,
  buffer: ArrayBuffer,
): AsyncGenerator<Uint8Array> {
  for (let first = 0; first < rows; first += rowsPerBlock) {
    const values = new Float32Array(buffer, 0, Math.min(rowsPerBlock, rows - first) * columns);
    await weight.rows.read(first, values);
    refuseNonFinite(weight.tensor, dtype, values);
    yield encodeInPlace(dtype, values);
  }
}

async function* mergedBlocks(
  { name, weight, dtype, rows, columns, rowsPerBlock }: TensorJob,
  merged: MergedRows,
  buffer: ArrayBuffer,
  onMerged: (tensor: MergedTensor) => void,
): AsyncGenerator<Uint8Array> {
  const tally = { base: 0, added: 0, lost: 0 };
  for (let first = 0; first < rows; first += rowsPerBlock) {
    const values = new Float32Array(buffer, 0, Math.min(rowsPerBlock, rows - first) * columns);
    const before = await merged.readWithBase(first, values);
    refuseNonFinite(weight.tensor, dtype, values);
    yield roundAndMeasure(dtype, before, values, tally);
  }
  onMerged(mergedTensor(name, merged.rank, tally));
}
