import { E4M3_MAX, e4m3ToF32, f32ToE4m3 } from '../../src/core/bytes/float8.ts';
import { bf16Scale } from './bf16-scale.ts';
import { peakOf } from './fit-grid.ts';

/** compressed-tensors' `float-quantized`, FP8_DYNAMIC: a row has one scale (compressed_tensors/compressors/naive_quantized). */
export interface FloatQuantizedRows {
  /** F8_E4M3 [rows, columns] */
  readonly codes: Uint8Array;
  /** [rows, 1], values of bf16 */
  readonly scales: Float32Array;
}

/**
 * f32 [rows, columns] to the nearest E4M3 at absmax / 448, as `calculate_qparams` has it.
 *
 * @throws RangeError for a value that is not finite
 */
export function quantizeFloat(values: Float32Array, columns: number): FloatQuantizedRows {
  const rows = values.length / columns;
  const codes = new Uint8Array(values.length);
  const scales = new Float32Array(rows);
  for (let row = 0; row < rows; row += 1) {
    const start = row * columns;
    const scale = bf16Scale(Math.abs(peakOf(values, start, start + columns)) / E4M3_MAX);
    const quotients = values.subarray(start, start + columns).map((value) => value / scale);
    f32ToE4m3(quotients, codes.subarray(start, start + columns));
    scales[row] = scale;
  }
  return { codes, scales };
}

/** The f32 weights [rows, columns]. */
export function dequantizeFloat({ codes, scales }: FloatQuantizedRows, columns: number): Float32Array {
  return e4m3ToF32(codes).map((value, i) => value * (scales[Math.floor(i / columns)] ?? 0));
}
