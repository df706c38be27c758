import { encodePeakBlock, PEAK_BLOCK_ELEMENTS } from './peak-blocks.ts';
import { type GgufScheme, viewOf } from './scheme.ts';

const BYTES = 18;
const HALF = PEAK_BLOCK_ELEMENTS / 2;
const MIDDLE = 8;

/** Blocks of 32: f16 d, then 16 bytes, code i in the low half of byte i, code 16 + i in its high half; d · (code − 8). */
export const Q4_0: GgufScheme = {
  type: 'Q4_0',

  quantize(values, out) {
    const view = viewOf(out);
    const codes = new Uint8Array(PEAK_BLOCK_ELEMENTS);
    for (let first = 0, at = 0; first < values.length; first += PEAK_BLOCK_ELEMENTS, at += BYTES) {
      view.setFloat16(at, encodePeakBlock(values, first, MIDDLE, codes), true);
      for (let i = 0; i < HALF; i += 1) {
        out[at + 2 + i] = (codes[i] ?? 0) | ((codes[HALF + i] ?? 0) << 4);
      }
    }
  },

  dequantize(blocks, out) {
    const view = viewOf(blocks);
    for (let first = 0, at = 0; first < out.length; first += PEAK_BLOCK_ELEMENTS, at += BYTES) {
      const scale = view.getFloat16(at, true);
      for (let i = 0; i < HALF; i += 1) {
        const pair = view.getUint8(at + 2 + i);
        out[first + i] = scale * ((pair & 15) - MIDDLE);
        out[first + HALF + i] = scale * ((pair >>> 4) - MIDDLE);
      }
    }
  },
};
