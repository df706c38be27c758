import type { ExternalTensor } from './external-data.ts';
import { MICROSOFT, type GraphBuilder, type Value } from './graph-builder.ts';

/** Block sizes that ONNX Runtime's CPU, CUDA and WebGPU kernels of MatMulNBits share. */
export const GROUP_SIZES = [16, 32, 64, 128] as const;
export type GroupSize = (typeof GROUP_SIZES)[number];

/** How the weight of a linear layer is stored. */
export type LinearEncoding = 'f32' | { readonly bits: 4 | 8; readonly groupSize: GroupSize };

/** One linear layer of the checkpoint: y = x·Wᵀ + b with W [outFeatures, inFeatures]. */
export interface Linear {
  /** Name of its weight, in the graph as in the checkpoint. */
  readonly name: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly encoding: LinearEncoding;
}

/**
 * MatMulNBits' accuracy_level. 1 keeps activations f32, so the product is that of the dequantized weight; 4 rounds
 * activations to int8, block by block, for speed.
 */
const ACCURACY_LEVEL_F32 = 1;

/** Names and shapes of the two tensors that a block-wise quantized weight becomes (ContribOperators.md, MatMulNBits). */
export function quantizedTensors(
  { name, inFeatures, outFeatures }: Linear,
  { bits, groupSize }: Exclude<LinearEncoding, 'f32'>,
): { codes: ExternalTensor; scales: ExternalTensor } {
  const groups = Math.ceil(inFeatures / groupSize);
  return {
    codes: { name: `${name}.codes`, type: 'u8', shape: [outFeatures, groups, (groupSize * bits) / 8] },
    scales: { name: `${name}.scales`, type: 'f32', shape: [outFeatures, groups] },
  };
}

/**
 * x [.., inFeatures] → [.., outFeatures] f32, called `output` when that is given.
 *
 * An f32 weight keeps the checkpoint's [out, in] layout: FusedMatMul reads it transposed, so export copies rows.
 */
export function linear(
  graph: GraphBuilder,
  x: Value,
  layer: Linear,
  { bias = null, output }: { bias?: Value | null; output?: string } = {},
): Value {
  const { name, inFeatures, outFeatures, encoding } = layer;
  const named = output === undefined ? {} : { name: output };
  if (encoding === 'f32') {
    const weight = graph.external({ name, type: 'f32', shape: [outFeatures, inFeatures] });
    const transposed = { domain: MICROSOFT, attributes: { transB: { int: 1 } } };
    return bias === null
      ? graph.node('FusedMatMul', [x, weight], { ...transposed, ...named })
      : graph.node('Add', [graph.node('FusedMatMul', [x, weight], transposed), bias], named);
  }
  const { codes, scales } = quantizedTensors(layer, encoding);
  return graph.node('MatMulNBits', [x, graph.external(codes), graph.external(scales), null, null, bias], {
    ...named,
    domain: MICROSOFT,
    attributes: {
      K: { int: inFeatures },
      N: { int: outFeatures },
      bits: { int: encoding.bits },
      block_size: { int: encoding.groupSize },
      accuracy_level: { int: ACCURACY_LEVEL_F32 },
    },
  });
}
