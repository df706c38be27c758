import type { LlmFacts } from '../../src/core/model/manifest.ts';
import { EMBED_TOKENS, LM_HEAD } from '../../src/core/model/tensor-names.ts';
import { BadInput } from '../bad-input.ts';
import { formatByteSize } from '../byte-size.ts';
import { COS_CACHE, decoderGraph, type DecoderEncodings, SIN_CACHE } from '../onnx/decoder-graph.ts';
import { embedTokensGraph } from '../onnx/embed-tokens-graph.ts';
import { layoutExternalData } from '../onnx/external-data.ts';
import type { OnnxGraph } from '../onnx/graph-builder.ts';
import { ropeTable } from '../onnx/rope-tables.ts';
import type { StoredWeight, WeightEncoding } from '../onnx/stored-weight.ts';
import type { BlockEncoding, Clip, GroupSize } from '../quantize/matmul-nbits.ts';
import type { TensorLayout } from '../tensor-writer.ts';
import type { WeightRows } from '../weight-rows.ts';
import { bufferFloats, planRowBlocks, type RowBlocks } from './row-blocks.ts';

export const WEIGHT_FORMATS = ['f32', 'int8', 'int4'] as const;
export type WeightFormat = (typeof WEIGHT_FORMATS)[number];

/** How the weights of an export are stored; beside `f32`, the other fields say how codes are chosen. */
export interface OnnxEncoding {
  readonly weights: WeightFormat;
  readonly groupSize: GroupSize;
  readonly symmetric: boolean;
  readonly clip: Clip;
}

/** A weight on its way into a data file: of the checkpoint, or computed as it is read. */
export interface WeightJob extends StoredWeight, RowBlocks {}

/** An `.onnx` file. */
export interface PlannedGraph {
  readonly file: string;
  readonly graph: OnnxGraph;
  /** Of the data file that holds its weights. */
  readonly layout: TensorLayout;
}

export interface PlannedData {
  readonly layout: TensorLayout;
  readonly jobs: readonly WeightJob[];
}

export interface OnnxPlan {
  readonly graphs: readonly PlannedGraph[];
  readonly dataFiles: readonly PlannedData[];
  /** f32 elements of the one buffer that all blocks share. */
  readonly bufferFloats: number;
  /** Bytes of all data files. */
  readonly outputBytes: number;
}

/**
 * Plans the decoder and the token embedding from the manifest and headers alone: every output byte has its place before
 * the first is read. Peak memory of the run is one block, at most `memoryBytes`, beside the runtime.
 *
 * @param options.isObserved the decoder also gives out the squares of its linears' inputs, for a calibration run
 * @throws BadInput when not even one row fits the memory
 */
export function planOnnx(
  llm: LlmFacts,
  weights: ReadonlyMap<string, WeightRows>,
  { encoding, memoryBytes, isObserved = false }: { encoding: OnnxEncoding; memoryBytes: number; isObserved?: boolean },
): OnnxPlan {
  const encodings = encodingsOf(encoding);
  const decoder = decoderGraph(llm, encodings, { isObserved });
  // Tied, the head is the table, and both graphs read it from the decoder's file.
  const tableName = llm.tieWordEmbeddings ? LM_HEAD : EMBED_TOKENS;
  const table = { name: tableName, shape: [llm.vocabSize, llm.hiddenSize], encoding: encodings.lmHead };
  const embedTokens = embedTokensGraph(llm, table);
  const ropes = [ropeTable(COS_CACHE, 'cos', llm), ropeTable(SIN_CACHE, 'sin', llm)];

  const jobOf = (weight: StoredWeight): WeightJob => planJob(weight, sourceOf(weight.name, llm, weights), memoryBytes);
  const decoderData: PlannedData = {
    layout: layoutExternalData('decoder.onnx.data', decoder.externals),
    jobs: [
      ...ropes.map((from) => planJob({ name: from.name, shape: from.shape, encoding: 'f32' }, from, memoryBytes)),
      ...decoder.weights.map(jobOf),
    ],
  };
  const tableData: PlannedData = llm.tieWordEmbeddings
    ? decoderData
    : {
        layout: layoutExternalData('embed_tokens.onnx.data', embedTokens.externals),
        jobs: [jobOf(table)],
      };
  const dataFiles = [...new Set([decoderData, tableData])];
  return {
    graphs: [
      { file: 'decoder.onnx', graph: decoder, layout: decoderData.layout },
      { file: 'embed_tokens.onnx', graph: embedTokens, layout: tableData.layout },
    ],
    dataFiles,
    bufferFloats: bufferFloats(dataFiles.flatMap(({ jobs }) => jobs)),
    outputBytes: dataFiles.reduce((sum, { layout }) => sum + layout.byteLength, 0),
  };
}

/** One line for each data file, then the whole. */
export function describePlan(plan: OnnxPlan): string {
  const lines = plan.dataFiles.map(({ layout, jobs }) => {
    const quantized = jobs.filter(({ encoding }) => encoding !== 'f32').length;
    const kinds = quantized === 0 ? 'all f32' : `${quantized} quantized`;
    return `${layout.file}: ${jobs.length} tensors, ${kinds}, ${formatByteSize(layout.byteLength)}`;
  });
  const buffer = formatByteSize(4 * plan.bufferFloats);
  lines.push(`${formatByteSize(plan.outputBytes)} of weights, through a buffer of ${buffer}`);
  return lines.join('\n');
}

/** For the manifest, e.g. `int4-g32` or `int4-g128-asymmetric`. */
export function encodingName({ weights, groupSize, symmetric }: OnnxEncoding): string {
  return weights === 'f32' ? weights : `${weights}-g${groupSize}${symmetric ? '' : '-asymmetric'}`;
}

/**
 * Head and embedding stay at 8 bits or more: at 4, errors of the head go straight into the logits (weights-formats,
 * quality). At 8 bits there is nothing worth clipping for.
 */
function encodingsOf({ weights, groupSize, symmetric, clip }: OnnxEncoding): DecoderEncodings {
  const eightBits: BlockEncoding = { bits: 8, groupSize, symmetric: true, clip: 'absmax' };
  const encodings: Record<WeightFormat, DecoderEncodings> = {
    f32: { blocks: 'f32', lmHead: 'f32' },
    int8: { blocks: { bits: 8, groupSize, symmetric, clip }, lmHead: eightBits },
    int4: { blocks: { bits: 4, groupSize, symmetric, clip }, lmHead: eightBits },
  };
  return encodings[weights];
}

/** A model with tied embeddings has no head of its own. */
function sourceOf(name: string, llm: LlmFacts, weights: ReadonlyMap<string, WeightRows>): WeightRows {
  const rows = weights.get(name === LM_HEAD && llm.tieWordEmbeddings ? EMBED_TOKENS : name);
  if (rows === undefined) {
    throw new BadInput(`tensor ${name}: found nothing, expected one: the decoder needs it`);
  }
  return rows;
}

function planJob(weight: StoredWeight, from: WeightRows, memoryBytes: number): WeightJob {
  const columns = weight.shape.at(-1) ?? 1;
  return { ...weight, ...planRowBlocks(from, encodedRowBytes(weight.encoding, columns), memoryBytes) };
}

/** When quantized, a row's codes, unpacked and packed, its scales, and its zero points. */
function encodedRowBytes(encoding: WeightEncoding, columns: number): number {
  if (encoding === 'f32') {
    return 0;
  }
  const groups = Math.ceil(columns / encoding.groupSize);
  return 2 * groups * encoding.groupSize + 6 * groups;
}
