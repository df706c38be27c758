import { MICROSOFT, type GraphBuilder, type Value } from './graph-builder.ts';
import { storedTensors, type StoredWeight } from './stored-weight.ts';

/**
 * MatMulNBits' accuracy_level 4: activations are rounded to int8, block by block. On the random test model that doubles
 * int8's KL divergence from f32, 0.003 to 0.007, and does not show beside int4's own error. Level 1 keeps them f32 but
 * dequantizes the weight on every call: a 3584 × 3584 product for one token then takes 97 ms instead of 1.1 at 8 bits and 3.7
 * instead of 0.5 at 4, measured on one core of an AVX2 server.
 */
const ACCURACY_LEVEL_INT8 = 4;

/**
 * x·Wᵀ + bias: x [.., in] → [.., out] f32, called `name` when that is given.
 *
 * An f32 weight keeps the checkpoint's [out, in] layout: FusedMatMul reads it transposed, so export copies rows.
 */
export function linear(
  graph: GraphBuilder,
  x: Value,
  weight: StoredWeight,
  { bias = null, name }: { bias?: Value | null; name?: string } = {},
): Value {
  const { encoding } = weight;
  const named = name === undefined ? {} : { name };
  const tensors = storedTensors(weight).map((tensor) => graph.external(tensor));
  if (encoding !== 'f32') {
    const [outFeatures = 0, inFeatures = 0] = weight.shape;
    const [codes = null, scales = null, zeroPoints = null] = tensors;
    return graph.node('MatMulNBits', [x, codes, scales, zeroPoints, null, bias], {
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
  const transposed = { domain: MICROSOFT, attributes: { transB: { int: 1 } } };
  return bias === null
    ? graph.node('FusedMatMul', [x, ...tensors], { ...transposed, ...named })
    : graph.node('Add', [graph.node('FusedMatMul', [x, ...tensors], transposed), bias], named);
}
