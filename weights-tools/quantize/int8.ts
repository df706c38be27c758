import { dequantizeBlocks, quantizeBlocks, type QuantizedRows } from './block-wise.ts';

/**
 * f32 [rows, columns] to MatMulNBits' 8-bit form: codes [rows, groups, groupSize], scales [rows, groups].
 *
 * @throws RangeError for a value that is not finite
 */
export function quantizeInt8(values: Float32Array, columns: number, groupSize: number): QuantizedRows {
  return quantizeBlocks(values, columns, groupSize, 8);
}

export function dequantizeInt8(quantized: QuantizedRows, columns: number, groupSize: number): Float32Array {
  return dequantizeBlocks(quantized, columns, groupSize, 8);
}
