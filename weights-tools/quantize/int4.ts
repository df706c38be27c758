import { dequantizeBlocks, quantizeBlocks, type QuantizedRows } from './block-wise.ts';

/**
 * f32 [rows, columns] to MatMulNBits' 4-bit form: codes [rows, groups, groupSize / 2], the first of two in the low half of
 * a byte; scales [rows, groups].
 *
 * @throws RangeError for a value that is not finite
 */
export function quantizeInt4(values: Float32Array, columns: number, groupSize: number): QuantizedRows {
  const { codes, scales } = quantizeBlocks(values, columns, groupSize, 4);
  const packed = new Uint8Array(codes.length / 2);
  for (let i = 0; i < packed.length; i += 1) {
    packed[i] = (codes[2 * i] ?? 0) | ((codes[2 * i + 1] ?? 0) << 4);
  }
  return { codes: packed, scales };
}

export function dequantizeInt4({ codes, scales }: QuantizedRows, columns: number, groupSize: number): Float32Array {
  const unpacked = new Uint8Array(codes.length * 2);
  for (let i = 0; i < codes.length; i += 1) {
    const pair = codes[i] ?? 0;
    unpacked[2 * i] = pair & 15;
    unpacked[2 * i + 1] = pair >>> 4;
  }
  return dequantizeBlocks({ codes: unpacked, scales }, columns, groupSize, 4);
}
