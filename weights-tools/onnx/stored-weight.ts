import type { BlockEncoding } from '../quantize/matmul-nbits.ts';
import type { ExternalTensor } from './external-data.ts';

export type WeightEncoding = 'f32' | BlockEncoding;

/** A tensor of the checkpoint and the form in which a graph holds it. Linear weights are [out, in]; only they are encoded. */
export interface StoredWeight {
  /** Its name in the checkpoint. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly encoding: WeightEncoding;
}

/**
 * The external tensors that a weight becomes: itself, or codes, scales and, when asymmetric, zero points
 * (ContribOperators.md, MatMulNBits).
 */
export function storedTensors({ name, shape, encoding }: StoredWeight): ExternalTensor[] {
  if (encoding === 'f32') {
    return [{ name, type: 'f32', shape }];
  }
  const [rows = 1, columns = 1] = shape;
  const { bits, groupSize, symmetric } = encoding;
  const groups = Math.ceil(columns / groupSize);
  return [
    { name: codesOf(name), type: 'u8', shape: [rows, groups, (groupSize * bits) / 8] },
    { name: scalesOf(name), type: 'f32', shape: [rows, groups] },
    ...(symmetric ? [] : [{ name: zerosOf(name), type: 'u8', shape: [rows, Math.ceil((groups * bits) / 8)] } as const]),
  ];
}

export function codesOf(weight: string): string {
  return `${weight}.codes`;
}

export function scalesOf(weight: string): string {
  return `${weight}.scales`;
}

export function zerosOf(weight: string): string {
  return `${weight}.zero_points`;
}
