import { encodeInPlace, FLOAT_BYTES, refuseNonFinite } from '../float-blocks.ts';
import type { PositionedSink } from '../tensor-writer.ts';
import { type MergedTensor, mergedTensor } from './merge-report.ts';
import type { MergedRows } from './merged-rows.ts';
import type { TensorJob } from './plan.ts';
import { roundAndMeasure, type RoundingTally } from './rounding-loss.ts';

/**
 * Makes one tensor of the output, block of rows by block of rows: each is read, widened to f32, computed, rounded once and
 * written to its place.
 *
 * @param buffer room for the largest block of the plan
 * @param onBlock hears of each block's bytes when they are written
 * @returns what was added and lost, null where nothing of low rank is
 * @throws BadInput for the first value that the output's dtype cannot hold
 */
export async function mergeTensor(
  job: TensorJob,
  output: PositionedSink,
  { buffer, signal, onBlock }: { buffer: ArrayBuffer; signal: AbortSignal; onBlock: (bytes: number) => void },
): Promise<MergedTensor | null> {
  const { merged } = job.weight;
  const tally = { base: 0, added: 0, lost: 0 };
  for (let first = 0; first < job.rows; first += job.rowsPerBlock) {
    signal.throwIfAborted();
    const rows = Math.min(job.rowsPerBlock, job.rows - first);
    const bytes = await (job.action === 'copy'
      ? copyRows(job, first, new Uint8Array(buffer, 0, rows * FLOAT_BYTES[job.dtype]))
      : merged === null
        ? convertRows(job, first, new Float32Array(buffer, 0, rows * job.columns))
        : mergeRows(job, merged, first, new Float32Array(buffer, 0, rows * job.columns), tally));
    await output.write(bytes, job.start + first * job.columns * FLOAT_BYTES[job.dtype]);
    onBlock(bytes.byteLength);
  }
  return merged === null ? null : mergedTensor(job.name, merged.rank, tally);
}

async function copyRows(
  { weight: { tensor }, dtype }: TensorJob,
  first: number,
  bytes: Uint8Array,
): Promise<Uint8Array> {
  await tensor.source.readInto(bytes, tensor.start + first * FLOAT_BYTES[dtype]);
  return bytes;
}

async function convertRows({ weight, dtype }: TensorJob, first: number, values: Float32Array): Promise<Uint8Array> {
  await weight.rows.read(first, values);
  refuseNonFinite(weight.tensor, dtype, values);
  return encodeInPlace(dtype, values);
}

async function mergeRows(
  { weight, dtype }: TensorJob,
  merged: MergedRows,
  first: number,
  values: Float32Array,
  tally: RoundingTally,
): Promise<Uint8Array> {
  const before = await merged.readWithBase(first, values);
  const bytes = roundAndMeasure(dtype, before, values, tally);
  // A value that is not finite makes the sums so. Rounding has overwritten it: once more, to name it.
  if (!Number.isFinite(tally.added + tally.lost)) {
    await merged.readWithBase(first, values);
    refuseNonFinite(weight.tensor, dtype, values);
    return encodeInPlace(dtype, values);
  }
  return bytes;
}
