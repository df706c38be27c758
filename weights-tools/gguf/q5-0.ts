import { encodePeakBlock, PEAK_BLOCK_ELEMENTS } from './peak-blocks.ts';
import { type GgufScheme, viewOf } from './scheme.ts';

const BYTES = 22;
const HALF = PEAK_BLOCK_ELEMENTS / 2;
const MIDDLE = 16;

/**
 * Blocks of 32: f16 d, a u32 whose bit i is the fifth bit of code i, then the low four bits as in Q4_0; d · (code − 16).
 */
export const Q5_0: GgufScheme = {
  type: 'Q5_0',

  quantize(values, out) {
    const view = viewOf(out);
    const codes = new Uint8Array(PEAK_BLOCK_ELEMENTS);
    for (let first = 0, at = 0; first < values.length; first += PEAK_BLOCK_ELEMENTS, at += BYTES) {
      view.setFloat16(at, encodePeakBlock(values, first, MIDDLE, codes), true);
      let fifthBits = 0;
      for (let i = 0; i < PEAK_BLOCK_ELEMENTS; i += 1) {
        fifthBits |= ((codes[i] ?? 0) >>> 4) << i;
      }
      view.setUint32(at + 2, fifthBits, true);
      for (let i = 0; i < HALF; i += 1) {
        out[at + 6 + i] = ((codes[i] ?? 0) & 15) | ((codes[HALF + i] ?? 0) << 4);
      }
    }
  },

  dequantize(blocks, out) {
    const view = viewOf(blocks);
    for (let first = 0, at = 0; first < out.length; first += PEAK_BLOCK_ELEMENTS, at += BYTES) {
      const scale = view.getFloat16(at, true);
      const fifthBits = view.getUint32(at + 2, true);
      for (let i = 0; i < HALF; i += 1) {
        const pair = view.getUint8(at + 6 + i);
        const low = (pair & 15) | (((fifthBits >>> i) & 1) << 4);
        const high = (pair >>> 4) | (((fifthBits >>> (HALF + i)) & 1) << 4);
        out[first + i] = scale * (low - MIDDLE);
        out[first + HALF + i] = scale * (high - MIDDLE);
      }
    }
  },
};
