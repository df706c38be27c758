import { layoutSafetensors, type SafetensorsLayout } from '../../src/core/bytes/safetensors-layout.ts';
import { BadInput } from '../bad-input.ts';
import { formatByteSize } from '../byte-size.ts';
import { SINGLE_FILE, type TensorRef } from '../checkpoint.ts';
import { FLOAT_BYTES, type FloatDtype, floatDtypeOf } from '../float-blocks.ts';
import type { LoraPair, TensorRoles } from './tensor-roles.ts';

/** One tensor of the output, and how it comes about. Offsets are in bytes from the start of the output file. */
export interface TensorJob {
  readonly name: string;
  readonly dtype: FloatDtype;
  readonly shape: readonly number[];
  readonly start: number;
  readonly end: number;
  readonly from: TensorRef;
  /** `copy` moves bytes, `convert` goes to another dtype, `merge` adds B·A. */
  readonly action: 'copy' | 'convert' | 'merge';
  /** The adapter of a `merge`. */
  readonly lora: LoraPair | null;
  /** Blocks are whole rows of `columns` elements; tensors without adapter are cut as one long column. */
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
  /** Bytes of the one buffer that all blocks share. */
  readonly bufferBytes: number;
  /** The same and what the matrix product takes beside it. */
  readonly peakBytes: number;
  /** Bytes of all tensors of the language model. */
  readonly llmBytes: number;
  readonly outputBytes: number;
}

export const VISION_FILE = 'vision/embedding.safetensors';

/** A shard of the usual size: transformers' default until version 5. */
const SHARD_MAX_BYTES = 5e9;
/** Of the memory: for the buffer that lasts the whole run, and for the product's own copy of each result. */
const BUFFER_SHARE = 3 / 4;
const RESULT_SHARE = 1 / 4;
/** Past this a copied block is not faster, and progress and Ctrl-C would only be coarser. */
const COPY_MAX_BYTES = 64 * 1024 * 1024;

/**
 * Plans a merge from headers alone: every output byte has its place before the first is read.
 *
 * Peak memory of the run is `peakBytes`, at most `memoryBytes`, beside the runtime itself: A whole, and for a block of
 * rows W, B and the result twice, all f32.
 *
 * @param weights dtype of the language model; the vision embedding keeps its own, so that its hash is the same for all
 * @throws BadInput when not even one row fits the memory
 */
export function planMerge(
  roles: TensorRoles,
  {
    weights,
    memoryBytes,
    shardBytes = SHARD_MAX_BYTES,
  }: { weights: FloatDtype; memoryBytes: number; shardBytes?: number },
): MergePlan {
  const shards = splitShards(roles.llm, weights, shardBytes);
  const names = shards.map((_, index) => shardName(index, shards.length));
  const files = shards.map((tensors, index) =>
    planFile(names[index] ?? SINGLE_FILE, tensors, roles.lora, () => weights, memoryBytes),
  );
  const vision = planFile(VISION_FILE, roles.vision, new Map(), floatDtypeOf, memoryBytes);
  const jobs = [...files, vision].flatMap((file) => file.jobs);
  const shardOf =
    files.length > 1 ? files.flatMap(({ path, jobs }) => jobs.map((job) => [job.name, path] as const)) : [];
  return {
    weights,
    files: [...files, vision],
    shardOf: new Map(shardOf),
    bufferBytes: Math.max(...jobs.map(blockBytes)),
    peakBytes: Math.max(...jobs.map(blockBytes)) + Math.max(...jobs.map(resultBytes)),
    llmBytes: files.flatMap((file) => file.jobs).reduce((sum, { start, end }) => sum + end - start, 0),
    outputBytes: [...files, vision].reduce((sum, { layout }) => sum + layout.byteLength, 0),
  };
}

/** model.safetensors.index.json. */
export function indexJson(plan: MergePlan): string {
  const weightMap = [...plan.shardOf].sort(([a], [b]) => (a < b ? -1 : 1));
  const index = { metadata: { total_size: plan.llmBytes }, weight_map: Object.fromEntries(weightMap) };
  return `${JSON.stringify(index, null, 2)}\n`;
}

/** In the order of the forward pass, as full as `shardBytes` allows. */
function splitShards(
  tensors: ReadonlyMap<string, TensorRef>,
  dtype: FloatDtype,
  shardBytes: number,
): Map<string, TensorRef>[] {
  const shards: Map<string, TensorRef>[] = [];
  let filled = Number.POSITIVE_INFINITY;
  for (const [name, tensor] of tensors) {
    const bytes = elementsOf(tensor) * FLOAT_BYTES[dtype];
    if (filled + bytes > shardBytes) {
      shards.push(new Map());
      filled = 0;
    }
    shards.at(-1)?.set(name, tensor);
    filled += bytes;
  }
  return shards;
}

function shardName(index: number, count: number): string {
  const number = (value: number): string => String(value).padStart(5, '0');
  return count === 1 ? SINGLE_FILE : `model-${number(index + 1)}-of-${number(count)}.safetensors`;
}

function planFile(
  path: string,
  tensors: ReadonlyMap<string, TensorRef>,
  lora: ReadonlyMap<string, LoraPair>,
  dtypeOf: (tensor: TensorRef) => FloatDtype,
  memoryBytes: number,
): PlannedFile {
  const layout = layoutSafetensors(
    [...tensors].map(([name, tensor]) => ({ name, dtype: dtypeOf(tensor), shape: tensor.shape })),
  );
  const jobs: TensorJob[] = [];
  for (const [name, { start, end }] of layout.tensors) {
    const from = tensors.get(name);
    if (from !== undefined) {
      const place = { name, dtype: dtypeOf(from), shape: from.shape, start, end, from };
      jobs.push(planBlocks(place, lora.get(name) ?? null, memoryBytes));
    }
  }
  return { path, layout, jobs };
}

function planBlocks(
  place: Omit<TensorJob, 'action' | 'lora' | 'rows' | 'columns' | 'rowsPerBlock'>,
  lora: LoraPair | null,
  memoryBytes: number,
): TensorJob {
  const columns = lora === null ? 1 : (place.shape[1] ?? 1);
  const rows = elementsOf(place.from) / columns;
  const action = lora !== null ? 'merge' : place.dtype === place.from.dtype ? 'copy' : 'convert';
  const job = { ...place, action, lora, rows, columns } as const;
  const fixed = blockBytes({ ...job, rowsPerBlock: 0 });
  const perRow = blockBytes({ ...job, rowsPerBlock: 1 }) - fixed;
  const resultPerRow = resultBytes({ ...job, rowsPerBlock: 1 });
  const rowsPerBlock = Math.min(
    rows,
    Math.floor(((lora === null ? Math.min(memoryBytes, COPY_MAX_BYTES) : memoryBytes) * BUFFER_SHARE - fixed) / perRow),
    resultPerRow === 0 ? rows : Math.floor((memoryBytes * RESULT_SHARE) / resultPerRow),
  );
  if (rowsPerBlock < 1) {
    const needed = formatByteSize(Math.max((fixed + perRow) / BUFFER_SHARE, resultPerRow / RESULT_SHARE));
    throw new BadInput(`${place.name}: one row needs --memory ${needed}, found ${formatByteSize(memoryBytes)}`);
  }
  return { ...job, rowsPerBlock };
}

type BlockShape = Pick<TensorJob, 'action' | 'dtype' | 'lora' | 'columns' | 'rowsPerBlock'>;

/** What one block occupies of the buffer. Merging: A, then rows of W, B and the result, all f32. */
function blockBytes({ action, dtype, lora, columns, rowsPerBlock }: BlockShape): number {
  if (lora !== null) {
    return 4 * (lora.rank * columns + (2 * columns + lora.rank) * rowsPerBlock);
  }
  return (action === 'copy' ? FLOAT_BYTES[dtype] : 4) * columns * rowsPerBlock;
}

/** What the product takes beside the buffer: its binding copies the result once more. */
function resultBytes({ lora, columns, rowsPerBlock }: BlockShape): number {
  return lora === null ? 0 : 4 * columns * rowsPerBlock;
}

function elementsOf({ shape }: TensorRef): number {
  return shape.reduce((product, size) => product * size, 1);
}
