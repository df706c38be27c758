import { layoutSafetensors, type SafetensorsLayout } from '../../src/core/bytes/safetensors-layout.ts';
import { BadInput } from '../bad-input.ts';
import { formatByteSize } from '../byte-size.ts';
import type { TensorRef } from '../checkpoint.ts';
import { FLOAT_BYTES, type FloatDtype, floatDtypeOf } from '../float-blocks.ts';
import { splitShards } from '../safetensors-shards.ts';
import { columnsOf, rowsOf, storedRows } from '../weight-rows.ts';
import type { MergeModel, MergeWeight } from './merge-model.ts';

/** One tensor of the output, and how it comes about. Offsets are in bytes from the start of the output file. */
export interface TensorJob {
  readonly name: string;
  readonly dtype: FloatDtype;
  readonly shape: readonly number[];
  readonly start: number;
  readonly end: number;
  readonly weight: MergeWeight;
  /** `copy` moves bytes, `convert` goes through f32 to its dtype, `merge` adds what is low rank on the way. */
  readonly action: 'copy' | 'convert' | 'merge';
  /** Blocks are whole rows of `columns` elements; copies are cut as one long column. */
  readonly rows: number;
  readonly columns: number;
  readonly rowsPerBlock: number;
}

export interface PlannedFile {
  /** Relative to the output folder. */
  readonly path: string;
  readonly layout: SafetensorsLayout;
  readonly jobs: readonly TensorJob[];
}

export interface MergePlan {
  readonly weights: FloatDtype;
  readonly files: readonly PlannedFile[];
  /** `weight_map` of the index; empty for a single file. */
  readonly shardOf: ReadonlyMap<string, string>;
  /** Bytes of the one buffer that all results share. */
  readonly bufferBytes: number;
  /** The same and what computing the largest of them takes beside it. */
  readonly peakBytes: number;
  /** Bytes of all tensors of the language model. */
  readonly llmBytes: number;
  readonly outputBytes: number;
}

export const VISION_FILE = 'vision/embedding.safetensors';

/** Of the memory: for the buffer of results, and for what it takes to compute them. */
const BUFFER_SHARE = 1 / 4;
const SCRATCH_SHARE = 3 / 4;
/** Past this a copied block is not faster, and progress and Ctrl-C would only be coarser. */
const COPY_MAX_BYTES = 64 * 1024 * 1024;

/**
 * Plans a merge from headers alone: every output byte has its place before the first is read.
 *
 * Peak memory of the run is `peakBytes`, at most `memoryBytes`, beside the runtime itself: a block of results, and what its
 * weight says that reading it takes.
 *
 * @param weights dtype of the language model; the vision embedding keeps its own, so that its hash is the same for all
 * @throws BadInput when not even one row fits the memory
 */
export function planMerge(
  { weights: model, vision }: Pick<MergeModel, 'weights' | 'vision'>,
  { weights, memoryBytes, shardBytes }: { weights: FloatDtype; memoryBytes: number; shardBytes?: number },
): MergePlan {
  const bytesOf = ([, { rows }]: [string, MergeWeight]): number =>
    rowsOf(rows) * columnsOf(rows) * FLOAT_BYTES[weights];
  const ofModel = splitShards([...model], bytesOf, shardBytes).map(({ file, items }) =>
    planFile(file, new Map(items), () => weights, memoryBytes),
  );
  const files = [...ofModel];
  if (vision !== null) {
    files.push(planFile(VISION_FILE, visionWeights(vision.tensors), ({ tensor }) => floatDtypeOf(tensor), memoryBytes));
  }
  const jobs = files.flatMap((file) => file.jobs);
  const shardOf =
    ofModel.length > 1 ? ofModel.flatMap(({ path, jobs: own }) => own.map((job) => [job.name, path] as const)) : [];
  const bufferBytes = Math.max(
    ...jobs.map(
      ({ action, dtype, columns, rowsPerBlock }) =>
        (action === 'copy' ? FLOAT_BYTES[dtype] : 4) * columns * rowsPerBlock,
    ),
  );
  return {
    weights,
    files,
    shardOf: new Map(shardOf),
    bufferBytes,
    peakBytes: bufferBytes + Math.max(...jobs.map(scratchBytes)),
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
  memoryBytes: number,
): PlannedFile {
  const layout = layoutSafetensors(
    [...weights].map(([name, weight]) => ({ name, dtype: dtypeOf(weight), shape: weight.rows.shape })),
  );
  const jobs: TensorJob[] = [];
  for (const [name, { start, end, shape }] of layout.tensors) {
    const weight = weights.get(name);
    if (weight !== undefined) {
      jobs.push(planBlocks({ name, dtype: dtypeOf(weight), shape, start, end, weight }, memoryBytes));
    }
  }
  return { path, layout, jobs };
}

function planBlocks(
  place: Omit<TensorJob, 'action' | 'rows' | 'columns' | 'rowsPerBlock'>,
  memoryBytes: number,
): TensorJob {
  const { rows: source, merged, isStored, tensor } = place.weight;
  const isCopy = isStored && place.dtype === tensor.dtype;
  const action = merged !== null ? 'merge' : isCopy ? 'copy' : 'convert';
  const columns = isCopy ? 1 : columnsOf(source);
  const rows = isCopy ? rowsOf(source) * columnsOf(source) : rowsOf(source);
  const rowBytes = isCopy ? FLOAT_BYTES[place.dtype] : 4 * columns;
  const fixed = 4 * source.scratchFloats(0);
  const scratchPerRow = 4 * source.scratchFloats(1) - fixed;
  const buffer = memoryBytes * BUFFER_SHARE;
  const rowsPerBlock = Math.min(
    rows,
    Math.floor((merged === null ? Math.min(buffer, COPY_MAX_BYTES) : buffer) / rowBytes),
    scratchPerRow === 0 ? rows : Math.floor((memoryBytes * SCRATCH_SHARE - fixed) / scratchPerRow),
  );
  if (rowsPerBlock < 1) {
    const needed = formatByteSize(Math.max(rowBytes / BUFFER_SHARE, (fixed + scratchPerRow) / SCRATCH_SHARE));
    throw new BadInput(`${place.name}: one row needs --memory ${needed}, found ${formatByteSize(memoryBytes)}`);
  }
  return { ...place, action, rows, columns, rowsPerBlock };
}

function scratchBytes({ action, weight, rowsPerBlock }: TensorJob): number {
  return action === 'copy' ? 0 : 4 * weight.rows.scratchFloats(rowsPerBlock);
}
