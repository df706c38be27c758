import { bf16Scale } from './bf16-scale.ts';
import { dequantizeBlocks, quantizeBlocks } from './block-wise.ts';
import { absmaxGrid } from './fit-grid.ts';

/** compressed-tensors' `int-quantized`, W8A8: a row has one scale (compressed_tensors/compressors/naive_quantized). */
export interface IntQuantizedRows {
  /** i8 [rows, columns] */
  readonly codes: Int8Array;
  /** [rows, 1], values of bf16 */
  readonly scales: Float32Array;
}

const BITS = 8;
/** Code of 0. Taken off or added, a byte differs from the signed one in its highest bit, which is this. */
const MIDDLE = 128;

/**
 * f32 [rows, columns] to whole numbers −128 … 127 at absmax / 127.5, as `calculate_qparams` has it.
 *
 * @throws RangeError for a value that is not finite
 */
export function quantizeInt(values: Float32Array, columns: number): IntQuantizedRows {
  const format = { bits: BITS, groupSize: columns, fit: absmaxGrid(BITS), storeScale: bf16Scale };
  const { codes, scales } = quantizeBlocks(values, columns, format);
  return { codes: new Int8Array(codes.map((code) => code ^ MIDDLE).buffer), scales };
}

/** The f32 weights [rows, columns]. */
export function dequantizeInt({ codes, scales }: IntQuantizedRows, columns: number): Float32Array {
  const zeros = new Uint8Array(scales.length).fill(MIDDLE);
  const { buffer, byteOffset, byteLength } = codes;
  const unsigned = new Uint8Array(buffer, byteOffset, byteLength).map((code) => code ^ MIDDLE);
  return dequantizeBlocks({ codes: unsigned, scales, zeros }, columns, columns);
}
