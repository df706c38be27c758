import { inverseOf } from './scheme.ts';

/** Elements of the blocks that share one scale. */
export const PEAK_BLOCK_ELEMENTS = 32;

/**
 * Codes 0 … 2 · middle − 1 of 32 values from `first` on, into `codes`, and their f32 scale: a value is
 * (code − middle) · scale. The value of largest magnitude, with its sign, becomes code 0; the codes come from the scale
 * before it is rounded to f16, in f32 (ggml-quants.c, `quantize_row_q4_0_ref` and `quantize_row_q5_0_ref`).
 */
export function encodePeakBlock(values: Float32Array, first: number, middle: number, codes: Uint8Array): number {
  let peak = 0;
  for (let i = first; i < first + PEAK_BLOCK_ELEMENTS; i += 1) {
    const value = values[i] ?? 0;
    if (Math.abs(value) > Math.abs(peak)) {
      peak = value;
    }
  }
  const scale = Math.fround(peak / -middle);
  const inverse = inverseOf(scale);
  for (let i = 0; i < PEAK_BLOCK_ELEMENTS; i += 1) {
    const x = Math.fround((values[first + i] ?? 0) * inverse);
    codes[i] = Math.min(2 * middle - 1, Math.trunc(Math.fround(x + middle + 0.5)));
  }
  return scale;
}
