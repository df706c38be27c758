import { dequantizeBlocks, quantizeBlocks } from './block-wise.ts';
import { clippedGrid, clippedRangeGrid, type FitGrid, peakGrid, rangeGrid } from './fit-grid.ts';
import { packNibbles, unpackNibbles } from './nibbles.ts';

/** Group sizes that ONNX Runtime's CPU, CUDA and WebGPU kernels of MatMulNBits share. */
export const GROUP_SIZES = [16, 32, 64, 128] as const;
export type GroupSize = (typeof GROUP_SIZES)[number];

/** `absmax` and its asymmetric sister clip nothing; `mse` searches for the clipping that leaves the least squared error. */
export const CLIPS = ['mse', 'absmax'] as const;
export type Clip = (typeof CLIPS)[number];

/** How ONNX Runtime's MatMulNBits and GatherBlockQuantized store a weight (docs/ContribOperators.md). */
export interface BlockEncoding {
  readonly bits: 4 | 8;
  readonly groupSize: GroupSize;
  /** Without zero points: the middle code stands for 0. */
  readonly symmetric: boolean;
  readonly clip: Clip;
}

export interface MatMulNBitsRows {
  /** u8 [rows, groups, groupSize · bits / 8]; of two 4-bit codes, the first is in the low half. */
  readonly codes: Uint8Array;
  /** f32 [rows, groups] */
  readonly scales: Float32Array;
  /** u8 [rows, ceil(groups · bits / 8)], packed as the codes; null when symmetric. */
  readonly zeros: Uint8Array | null;
}

/**
 * f32 [rows, columns] to codes, scales and zero points.
 *
 * @param importance what the squared error in a column counts for, [columns]
 * @throws RangeError for a value that is not finite
 */
export function quantizeMatMulNBits(
  values: Float32Array,
  columns: number,
  encoding: BlockEncoding,
  importance?: Float32Array,
): MatMulNBitsRows {
  const { bits, groupSize, symmetric } = encoding;
  const blocks = quantizeBlocks(values, columns, { bits, groupSize, fit: fitOf(encoding), importance });
  const groups = Math.ceil(columns / groupSize);
  return {
    codes: bits === 4 ? packNibbles(blocks.codes) : blocks.codes,
    scales: blocks.scales,
    zeros: symmetric ? null : bits === 4 ? packNibbles(evenRows(blocks.zeros, groups)) : blocks.zeros,
  };
}

/** The f32 weights [rows, columns] that ONNX Runtime multiplies with. */
export function dequantizeMatMulNBits(
  { codes, scales, zeros }: MatMulNBitsRows,
  columns: number,
  { bits, groupSize }: BlockEncoding,
): Float32Array {
  const groups = Math.ceil(columns / groupSize);
  return dequantizeBlocks(
    {
      codes: bits === 4 ? unpackNibbles(codes) : codes,
      scales,
      zeros: zeros === null ? middleZeros(scales.length, bits) : bits === 4 ? fromEvenRows(zeros, groups) : zeros,
    },
    columns,
    groupSize,
  );
}

function fitOf({ bits, symmetric, clip }: BlockEncoding): FitGrid {
  if (symmetric) {
    return clip === 'mse' ? clippedGrid(bits, 'either') : peakGrid(bits);
  }
  return clip === 'mse' ? clippedRangeGrid(bits) : rangeGrid(bits);
}

function middleZeros(count: number, bits: number): Uint8Array {
  return new Uint8Array(count).fill(2 ** (bits - 1));
}

/** Rows of `groups` codes, each filled up to whole bytes of two. */
function evenRows(zeros: Uint8Array, groups: number): Uint8Array {
  const even = groups + (groups % 2);
  const rows = zeros.length / groups;
  const filled = new Uint8Array(rows * even);
  for (let row = 0; row < rows; row += 1) {
    filled.set(zeros.subarray(row * groups, (row + 1) * groups), row * even);
  }
  return filled;
}

function fromEvenRows(packed: Uint8Array, groups: number): Uint8Array {
  const even = groups + (groups % 2);
  return unpackNibbles(packed).filter((_, i) => i % even < groups);
}
