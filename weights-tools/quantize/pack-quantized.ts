import { bf16Scale } from './bf16-scale.ts';
import { dequantizeBlocks, quantizeBlocks } from './block-wise.ts';
import { clippedGrid } from './fit-grid.ts';
import { packNibbles, unpackNibbles } from './nibbles.ts';

/**
 * compressed-tensors' `pack-quantized`: whole numbers of 4 or 8 bits, W4A16 and W8A16
 * (compressed_tensors/compressors/pack_quantized).
 */
export interface PackQuantizedFormat {
  readonly bits: 4 | 8;
  /** Neighbours in a row that share a scale: a divisor of the columns, or all of them. */
  readonly groupSize: number;
}

export interface PackQuantizedRows {
  /** i32 [rows, ceil(columns · bits / 32)] as bytes: codes + 2^(bits − 1), the first in the lowest bits; 0 fills up a row. */
  readonly packed: Uint8Array;
  /** [rows, columns / groupSize], values of bf16 */
  readonly scales: Float32Array;
}

/**
 * f32 [rows, columns] to the codes nearest at the bf16 scales that leave the least weighted squared error. Scales are
 * positive, as every observer of compressed-tensors makes them. A group of zeros gets bf16's epsilon for a scale, as there.
 *
 * @param importance what the squared error in a column counts for, [columns]
 * @throws RangeError for a value that is not finite
 */
export function packQuantized(
  values: Float32Array,
  columns: number,
  { bits, groupSize }: PackQuantizedFormat,
  importance?: Float32Array,
): PackQuantizedRows {
  const { codes, scales } = quantizeBlocks(values, columns, {
    bits,
    groupSize,
    fit: clippedGrid(bits, 'positive'),
    storeScale: bf16Scale,
    importance,
  });
  const filled = fillRows(codes, columns, wordsOf(columns, bits) * (32 / bits));
  return { packed: bits === 4 ? packNibbles(filled) : filled, scales };
}

/** The f32 weights [rows, columns]. */
export function unpackQuantized(
  { packed, scales }: PackQuantizedRows,
  columns: number,
  { bits, groupSize }: PackQuantizedFormat,
): Float32Array {
  const codes = fillRows(bits === 4 ? unpackNibbles(packed) : packed, wordsOf(columns, bits) * (32 / bits), columns);
  const zeros = new Uint8Array(scales.length).fill(2 ** (bits - 1));
  return dequantizeBlocks({ codes, scales, zeros }, columns, groupSize);
}

/** Words of 32 bits that a row takes. */
export function wordsOf(columns: number, bits: number): number {
  return Math.ceil((columns * bits) / 32);
}

/** Rows of `width` bytes cut or filled up with 0 to `newWidth`. */
function fillRows(bytes: Uint8Array, width: number, newWidth: number): Uint8Array {
  if (width === newWidth) {
    return bytes;
  }
  const rows = bytes.length / width;
  const filled = new Uint8Array(rows * newWidth);
  for (let row = 0; row < rows; row += 1) {
    filled.set(bytes.subarray(row * width, row * width + Math.min(width, newWidth)), row * newWidth);
  }
  return filled;
}
