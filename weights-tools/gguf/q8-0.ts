import { type GgufScheme, inverseOf, viewOf } from './scheme.ts';

const ELEMENTS = 32;
const BYTES = 34;

/**
 * Blocks of 32: f16 d, then 32 signed bytes q; a value is d · q. d maps the largest magnitude to 127; the codes come
 * from d before it is rounded to f16, in f32, halves away from zero (ggml-quants.c, `quantize_row_q8_0_ref`).
 */
export const Q8_0: GgufScheme = {
  type: 'Q8_0',

  quantize(values, out) {
    const view = viewOf(out);
    for (let first = 0, at = 0; first < values.length; first += ELEMENTS, at += BYTES) {
      let peak = 0;
      for (let i = first; i < first + ELEMENTS; i += 1) {
        peak = Math.max(peak, Math.abs(values[i] ?? 0));
      }
      const scale = Math.fround(peak / 127);
      const inverse = inverseOf(scale);
      view.setFloat16(at, scale, true);
      for (let i = 0; i < ELEMENTS; i += 1) {
        const x = Math.fround((values[first + i] ?? 0) * inverse);
        view.setInt8(at + 2 + i, Math.trunc(x < 0 ? x - 0.5 : x + 0.5));
      }
    }
  },

  dequantize(blocks, out) {
    const view = viewOf(blocks);
    for (let first = 0, at = 0; first < out.length; first += ELEMENTS, at += BYTES) {
      const scale = view.getFloat16(at, true);
      for (let i = 0; i < ELEMENTS; i += 1) {
        out[first + i] = scale * view.getInt8(at + 2 + i);
      }
    }
  },
};
