import type { ExternalTensor } from './external-data.ts';

/** Group sizes that ONNX Runtime's CPU, CUDA and WebGPU kernels of MatMulNBits share. */
export const GROUP_SIZES = [16, 32, 64, 128] as const;
export type GroupSize = (typeof GROUP_SIZES)[number];

/** Codes of a few bits with one scale for each group of neighbours in a row. */
export interface BlockEncoding {
  readonly bits: 4 | 8;
  readonly groupSize: GroupSize;
}

export type WeightEncoding = 'f32' | BlockEncoding;

/** A tensor of the checkpoint and the form in which a graph holds it. Linear weights are [out, in]; only they are encoded. */
export interface StoredWeight {
  /** Its name in the checkpoint. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly encoding: WeightEncoding;
}

/** The external tensors that a weight becomes: itself, or codes and scales (ContribOperators.md, MatMulNBits). */
export function storedTensors({ name, shape, encoding }: StoredWeight): ExternalTensor[] {
  if (encoding === 'f32') {
    return [{ name, type: 'f32', shape }];
  }
  const [rows = 1, columns = 1] = shape;
  const groups = Math.ceil(columns / encoding.groupSize);
  return [
    { name: codesOf(name), type: 'u8', shape: [rows, groups, (encoding.groupSize * encoding.bits) / 8] },
    { name: scalesOf(name), type: 'f32', shape: [rows, groups] },
  ];
}

export function codesOf(weight: string): string {
  return `${weight}.codes`;
}

export function scalesOf(weight: string): string {
  return `${weight}.scales`;
}
