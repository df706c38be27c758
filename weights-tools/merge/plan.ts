import { layoutSafetensors, type SafetensorsLayout } from '../../src/core/bytes/safetensors-layout.ts';
import type { TensorRef } from '../checkpoint.ts';
import { FLOAT_BYTES, type FloatDtype, floatDtypeOf } from '../float-blocks.ts';
import { splitShards } from '../safetensors-shards.ts';
import { columnsOf, rowsOf, storedRows } from '../weight-rows.ts';
import type { MergeModel, MergeWeight } from './merge-model.ts';
import { type MemoryShares, planBlocks, shareMemory, type WeightBlocks } from './plan-blocks.ts';

/** One tensor of the output, and how it comes about. Offsets are in bytes from the start of the output file. */
export interface TensorJob extends WeightBlocks {
  readonly name: string;
  readonly dtype: FloatDtype;
  readonly shape: readonly number[];
  readonly start: number;
  readonly end: number;
  readonly weight: MergeWeight;
}

export interface PlannedFile {
  /** Relative to the output folder. */
  readonly path: string;
  readonly layout: SafetensorsLayout;
  readonly jobs: readonly TensorJob[];
}

export interface PlanOptions {
  /** Dtype of the language model; the vision embedding keeps its own, so that its hash is the same for all. */
  readonly weights: FloatDtype;
  /** Of all threads together. */
  readonly memoryBytes: number;
  /** How many work at once. */
  readonly threads: number;
  readonly shardBytes?: number;
}

export interface MergePlan {
  /** What it was made with: whoever opens the same merge makes the same plan of it. */
  readonly options: PlanOptions;
  readonly files: readonly PlannedFile[];
  /** `weight_map` of the index; empty for a single file. */
  readonly shardOf: ReadonlyMap<string, string>;
  /** Bytes of the buffer that all copies share. */
  readonly copyBytes: number;
  /** Bytes of the buffer that all results of one thread share. */
  readonly bufferBytes: number;
  /** Both, and what computing the largest result takes beside it, for all threads. */
  readonly peakBytes: number;
  /** Bytes of all tensors of the language model. */
  readonly llmBytes: number;
  readonly outputBytes: number;
}

export const VISION_FILE = 'vision/embedding.safetensors';

/**
 * Plans a merge from headers alone: every output byte has its place before the first is read.
 *
 * Peak memory of the run is `peakBytes`, at most `memoryBytes`, beside the runtime itself: a block of copies, and for each thread
 * a block of results and what its weight says that reading it takes.
 *
 * @throws BadInput when not even one row fits the memory
 */
export function planMerge(
  { weights: model, vision }: Pick<MergeModel, 'weights' | 'vision'>,
  options: PlanOptions,
): MergePlan {
  const { weights, threads, shardBytes } = options;
  const shares = shareMemory(options.memoryBytes, threads);
  const bytesOf = ([, { rows }]: [string, MergeWeight]): number =>
    rowsOf(rows) * columnsOf(rows) * FLOAT_BYTES[weights];
  const ofModel = splitShards([...model], bytesOf, shardBytes).map(({ file, items }) =>
    planFile(file, new Map(items), () => weights, shares),
  );
  const files = [...ofModel];
  if (vision !== null) {
    files.push(planFile(VISION_FILE, visionWeights(vision.tensors), ({ tensor }) => floatDtypeOf(tensor), shares));
  }
  const jobs = files.flatMap((file) => file.jobs);
  const shardOf =
    ofModel.length > 1 ? ofModel.flatMap(({ path, jobs: own }) => own.map((job) => [job.name, path] as const)) : [];
  const copies = jobs.filter(({ action }) => action === 'copy');
  const computed = jobs.filter(({ action }) => action !== 'copy');
  const copyBytes = Math.max(0, ...copies.map((job) => job.bufferBytes));
  const bufferBytes = Math.max(0, ...computed.map((job) => job.bufferBytes));
  const scratchBytes = Math.max(0, ...computed.map((job) => job.scratchBytes));
  return {
    options,
    files,
    shardOf: new Map(shardOf),
    copyBytes,
    bufferBytes,
    peakBytes: copyBytes + threads * (bufferBytes + scratchBytes),
    llmBytes: ofModel.flatMap((file) => file.jobs).reduce((sum, { start, end }) => sum + end - start, 0),
    outputBytes: files.reduce((sum, { layout }) => sum + layout.byteLength, 0),
  };
}

/** The vision embedding goes out as it came in. */
function visionWeights(tensors: ReadonlyMap<string, TensorRef>): Map<string, MergeWeight> {
  const weights = [...tensors].map(([name, tensor]) => {
    const rows = storedRows(name, tensor);
    return [name, { rows, tensor, isStored: true, isReplaced: false, merged: null }] as const;
  });
  return new Map(weights);
}

function planFile(
  path: string,
  weights: ReadonlyMap<string, MergeWeight>,
  dtypeOf: (weight: MergeWeight) => FloatDtype,
  shares: MemoryShares,
): PlannedFile {
  const layout = layoutSafetensors(
    [...weights].map(([name, weight]) => ({ name, dtype: dtypeOf(weight), shape: weight.rows.shape })),
  );
  const jobs: TensorJob[] = [];
  for (const [name, { start, end, shape }] of layout.tensors) {
    const weight = weights.get(name);
    if (weight !== undefined) {
      const dtype = dtypeOf(weight);
      jobs.push({ name, dtype, shape, start, end, weight, ...planBlocks(weight, dtype, shares) });
    }
  }
  return { path, layout, jobs };
}
