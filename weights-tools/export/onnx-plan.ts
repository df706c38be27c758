import type { LlmFacts } from '../../src/core/model/manifest.ts';
import { EMBED_TOKENS, LM_HEAD } from '../../src/core/model/tensor-names.ts';
import { BadInput } from '../bad-input.ts';
import { formatByteSize } from '../byte-size.ts';
import type { TensorRef } from '../checkpoint.ts';
import { COS_CACHE, decoderGraph, SIN_CACHE, type DecoderEncodings } from '../onnx/decoder-graph.ts';
import { embedTokensGraph } from '../onnx/embed-tokens-graph.ts';
import { type ExternalLayout, layoutExternalData } from '../onnx/external-data.ts';
import type { OnnxGraph } from '../onnx/graph-builder.ts';
import { ropeTables } from '../onnx/rope-tables.ts';
import type { GroupSize, StoredWeight } from '../onnx/stored-weight.ts';

export const WEIGHT_FORMATS = ['f32', 'int8', 'int4'] as const;
export type WeightFormat = (typeof WEIGHT_FORMATS)[number];

/** A checkpoint tensor on its way into a data file, block of rows by block of rows. A vector is one row. */
export interface WeightJob extends StoredWeight {
  readonly from: TensorRef;
  readonly rows: number;
  readonly columns: number;
  readonly rowsPerBlock: number;
}

/** One model with the data file beside it. */
export interface PlannedModel {
  readonly file: string;
  readonly graph: OnnxGraph;
  readonly layout: ExternalLayout;
  readonly jobs: readonly WeightJob[];
  /** Weights that no checkpoint holds, by name. */
  readonly computed: ReadonlyMap<string, Float32Array>;
}

export interface OnnxPlan {
  readonly models: readonly PlannedModel[];
  /** f32 elements of the one buffer that all blocks share. */
  readonly bufferFloats: number;
  /** Bytes of all data files. */
  readonly outputBytes: number;
}

/** Past this a larger block is not faster, and progress would only be coarser. */
const BLOCK_MAX_BYTES = 64 * 1024 * 1024;

/**
 * Plans the decoder and the token embedding from the manifest and headers alone: every output byte has its place before
 * the first is read. Peak memory of the run is one block, at most `memoryBytes`, beside the runtime and the RoPE tables.
 *
 * @throws BadInput when not even one row fits the memory
 */
export function planOnnx(
  llm: LlmFacts,
  tensors: ReadonlyMap<string, TensorRef>,
  { weights, groupSize, memoryBytes }: { weights: WeightFormat; groupSize: GroupSize; memoryBytes: number },
): OnnxPlan {
  const decoder = decoderGraph(llm, encodingsOf(weights, groupSize));
  const embedTokens = embedTokensGraph(llm);
  const embedding = { name: EMBED_TOKENS, shape: [llm.vocabSize, llm.hiddenSize], encoding: 'f32' } as const;
  const { cos, sin } = ropeTables(llm.headDim, llm.ropeTheta, llm.maxPositions);
  const budget = Math.min(memoryBytes, BLOCK_MAX_BYTES);
  const jobOf = (weight: StoredWeight): WeightJob => planBlocks(weight, sourceOf(weight.name, llm, tensors), budget);
  const models: PlannedModel[] = [
    {
      file: 'decoder.onnx',
      graph: decoder,
      layout: layoutExternalData('decoder.onnx.data', decoder.externals),
      jobs: decoder.weights.map(jobOf),
      computed: new Map([
        [COS_CACHE, cos],
        [SIN_CACHE, sin],
      ]),
    },
    {
      file: 'embed_tokens.onnx',
      graph: embedTokens,
      layout: layoutExternalData('embed_tokens.onnx.data', embedTokens.externals),
      jobs: [jobOf(embedding)],
      computed: new Map(),
    },
  ];
  const jobs = models.flatMap((model) => model.jobs);
  return {
    models,
    bufferFloats: Math.max(...jobs.map(({ columns, rowsPerBlock }) => columns * rowsPerBlock)),
    outputBytes: models.reduce((sum, { layout }) => sum + layout.byteLength, 0),
  };
}

/** One line for each model, then the whole. */
export function describePlan({ models, bufferFloats, outputBytes }: OnnxPlan): string {
  const lines = models.map(({ file, layout, jobs }) => {
    const quantized = jobs.filter(({ encoding }) => encoding !== 'f32').length;
    const kinds = quantized === 0 ? 'all f32' : `${quantized} quantized`;
    return `${file}: ${jobs.length} tensors, ${kinds}, ${formatByteSize(layout.byteLength)} in ${layout.file}`;
  });
  lines.push(`${formatByteSize(outputBytes)} of weights, through a buffer of ${formatByteSize(4 * bufferFloats)}`);
  return lines.join('\n');
}

/** The head stays at 8 bits or more: at 4 its errors go straight into the logits (weights-formats, quality). */
function encodingsOf(weights: WeightFormat, groupSize: GroupSize): DecoderEncodings {
  const encodings: Record<WeightFormat, DecoderEncodings> = {
    f32: { blocks: 'f32', lmHead: 'f32' },
    int8: { blocks: { bits: 8, groupSize }, lmHead: { bits: 8, groupSize } },
    int4: { blocks: { bits: 4, groupSize }, lmHead: { bits: 8, groupSize } },
  };
  return encodings[weights];
}

/** A model with tied embeddings has no head of its own. */
function sourceOf(name: string, llm: LlmFacts, tensors: ReadonlyMap<string, TensorRef>): TensorRef {
  const tensor = tensors.get(name === LM_HEAD && llm.tieWordEmbeddings ? EMBED_TOKENS : name);
  if (tensor === undefined) {
    throw new BadInput(`tensor ${name}: found nothing, expected one: the decoder needs it`);
  }
  return tensor;
}

function planBlocks(weight: StoredWeight, from: TensorRef, budgetBytes: number): WeightJob {
  const columns = weight.shape.at(-1) ?? 1;
  const rows = weight.shape.slice(0, -1).reduce((product, size) => product * size, 1);
  const bytes = rowBytes(weight, columns);
  const rowsPerBlock = Math.min(rows, Math.floor(budgetBytes / bytes));
  if (rowsPerBlock < 1) {
    throw new BadInput(
      `${weight.name}: one row needs ${formatByteSize(bytes)}, --memory allows ${formatByteSize(budgetBytes)}`,
    );
  }
  return { ...weight, from, rows, columns, rowsPerBlock };
}

/** The f32 row; when quantized also its codes, unpacked and packed, and its scales. */
function rowBytes({ encoding }: StoredWeight, columns: number): number {
  if (encoding === 'f32') {
    return 4 * columns;
  }
  const groups = Math.ceil(columns / encoding.groupSize);
  return 4 * columns + 2 * groups * encoding.groupSize + 4 * groups;
}
