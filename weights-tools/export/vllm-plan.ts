import { layoutSafetensors, type SafetensorsLayout } from '../../src/core/bytes/safetensors-layout.ts';
import { type Dtype, tensorBytes } from '../../src/core/bytes/safetensors-dtype.ts';
import type { LlmFacts } from '../../src/core/model/manifest.ts';
import { layerTensor, LINEARS } from '../../src/core/model/tensor-names.ts';
import { BadInput } from '../bad-input.ts';
import { formatByteSize } from '../byte-size.ts';
import { splitShards } from '../safetensors-shards.ts';
import { columnsOf, rowsOf, type WeightRows } from '../weight-rows.ts';
import { bufferFloats, planRowBlocks, type RowBlocks } from './row-blocks.ts';
import type { VllmScheme } from './vllm-scheme.ts';

interface PlannedTensor {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

/** A weight on its way into a shard: as bf16 under its own name, or as the parts of a quantized linear. */
export interface VllmJob extends RowBlocks {
  readonly isQuantized: boolean;
  /** Written row by row, side by side. */
  readonly parts: readonly PlannedTensor[];
  /** `weight_shape`, which is no matter of rows. */
  readonly shapeTensor: PlannedTensor | null;
}

export interface VllmShard {
  readonly file: string;
  readonly layout: SafetensorsLayout;
  readonly jobs: readonly VllmJob[];
}

export interface VllmPlan {
  readonly scheme: VllmScheme;
  readonly shards: readonly VllmShard[];
  /** f32 elements of the one buffer that all blocks share. */
  readonly bufferFloats: number;
  readonly outputBytes: number;
}

/**
 * Plans the shards from headers alone: the linears of the blocks in the form of the scheme, all else, head and embedding
 * included, as bf16. Peak memory of the run is one block, at most `memoryBytes`, beside the runtime.
 *
 * @throws BadInput when not even one row fits the memory, or a row does not fall into groups
 */
export function planVllm(
  llm: LlmFacts,
  weights: ReadonlyMap<string, WeightRows>,
  { scheme, memoryBytes, shardBytes }: { scheme: VllmScheme; memoryBytes: number; shardBytes?: number },
): VllmPlan {
  const linears = new Set(
    Object.values(LINEARS).flatMap((module) =>
      Array.from({ length: llm.layers }, (_, layer) => layerTensor(layer, module)),
    ),
  );
  const jobs = [...weights.values()].map((from) =>
    linears.has(from.name) ? planLinear(from, scheme, memoryBytes) : planCopy(from, memoryBytes),
  );
  const shards = splitShards(
    jobs,
    (job) => tensorsOf(job).reduce((sum, tensor) => sum + bytesOf(tensor), 0),
    shardBytes,
  ).map(({ file, items }) => ({ file, layout: layoutSafetensors(items.flatMap(tensorsOf)), jobs: items }));
  return {
    scheme,
    shards,
    bufferFloats: bufferFloats(jobs),
    outputBytes: shards.reduce((sum, { layout }) => sum + layout.byteLength, 0),
  };
}

export function describeVllmPlan({ scheme, shards, bufferFloats: floats, outputBytes }: VllmPlan): string {
  const jobs = shards.flatMap((shard) => shard.jobs);
  const quantized = jobs.filter(({ isQuantized }) => isQuantized).length;
  return (
    `${quantized} linears as ${scheme.label}, ${jobs.length - quantized} tensors as bf16, ` +
    `${formatByteSize(outputBytes)} in ${shards.length === 1 ? 'one file' : `${shards.length} shards`}, ` +
    `through a buffer of ${formatByteSize(4 * floats)}`
  );
}

function planLinear(from: WeightRows, scheme: VllmScheme, memoryBytes: number): VllmJob {
  const [rows, columns] = [rowsOf(from), columnsOf(from)];
  if (columns % scheme.columnsStep !== 0) {
    throw new BadInput(
      `tensor ${from.name}: found ${columns} columns, expected a multiple of the group size ${scheme.columnsStep}: ` +
        'take a smaller --group-size, or channel',
    );
  }
  const module = from.name.replace(/weight$/, '');
  const parts = scheme.parts(rows, columns).map((part) => ({ ...part, name: `${module}${part.suffix}` }));
  const encodedRowBytes = parts.reduce((sum, part) => sum + 2 * bytesOf(part), 0) / rows + 2 * columns;
  const isPacked = parts.some(({ name }) => name.endsWith('weight_packed'));
  return {
    ...planRowBlocks(from, encodedRowBytes, memoryBytes),
    isQuantized: true,
    parts,
    shapeTensor: isPacked ? { name: `${module}weight_shape`, dtype: 'I64', shape: [2] } : null,
  };
}

function planCopy(from: WeightRows, memoryBytes: number): VllmJob {
  return {
    ...planRowBlocks(from, 0, memoryBytes),
    isQuantized: false,
    parts: [{ name: from.name, dtype: 'BF16', shape: from.shape }],
    shapeTensor: null,
  };
}

function tensorsOf({ parts, shapeTensor }: VllmJob): PlannedTensor[] {
  return shapeTensor === null ? [...parts] : [...parts, shapeTensor];
}

function bytesOf({ dtype, shape }: PlannedTensor): number {
  return tensorBytes(dtype, shape) ?? Number.NaN;
}
