import type { ExternalTensor } from './external-data.ts';
import { MICROSOFT, type GraphBuilder, type Value } from './graph-builder.ts';

/** Block sizes that ONNX Runtime's CPU, CUDA and WebGPU kernels of MatMulNBits share. */
export const GROUP_SIZES = [16, 32, 64, 128] as const;
export type GroupSize = (typeof GROUP_SIZES)[number];

/** How the weight of a linear layer is stored. */
export type LinearEncoding = 'f32' | BlockEncoding;

/** Codes of a few bits with one scale for each group of neighbours in a row. */
export interface BlockEncoding {
  readonly bits: 4 | 8;
  readonly groupSize: GroupSize;
}

/** One linear layer of the checkpoint: y = x·Wᵀ + b with W [outFeatures, inFeatures]. */
export interface Linear {
  /** Name of its weight, in the graph as in the checkpoint. */
  readonly name: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly encoding: LinearEncoding;
}

/**
 * MatMulNBits' accuracy_level 4: activations are rounded to int8, block by block. That costs a relative error of about
 * 0.4 % of a product. Level 1 keeps them f32 but dequantizes the weight on every call: a 3584 × 3584 product for one token
 * takes 97 ms instead of 1.1 at 8 bits and 3.7 instead of 0.5 at 4, measured on one core of an AVX2 server.
 */
const ACCURACY_LEVEL_INT8 = 4;

/** Names and shapes of the two tensors that a block-wise quantized weight becomes (ContribOperators.md, MatMulNBits). */
export function quantizedTensors(
  { name, inFeatures, outFeatures }: Linear,
  { bits, groupSize }: BlockEncoding,
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
      accuracy_level: { int: ACCURACY_LEVEL_INT8 },
    },
  });
}
