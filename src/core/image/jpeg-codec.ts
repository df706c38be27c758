import { DECODER_HEAP_MAX_BYTES } from '../limits.ts';
import type { PixelRows } from './pixel-rows.ts';
import { type DecoderHeap, decodeRows } from './row-codec.ts';

/**
 * Opens a JPEG at `eighths`/8 of its size, by libjpeg-turbo (wasm/jpeg-decoder/decoder.c). Only several scans, of a
 * progressive file, need all its coefficients at once, in the decoder's heap: 2 bytes a sample.
 */
export type OpenJpeg = (
  file: Uint8Array,
  declared: { width: number; height: number },
  eighths: number,
  param: string,
) => PixelRows;

/** A codec over the compiled decoder and the memory that it shares with others. */
export function createJpegCodec(module: WebAssembly.Module, heap: DecoderHeap): OpenJpeg {
  return (file, declared, eighths, param) => {
    const scaled = (edge: number): number => Math.ceil((edge * eighths) / 8);
    const size = { width: scaled(declared.width), height: scaled(declared.height) };
    const options = [eighths, DECODER_HEAP_MAX_BYTES] as const;
    return decodeRows(module, heap, { file, ...size, options, toRgb: cmykToRgb }, param);
  };
}

/** As Pillow does: ink values always inverted (Adobe's habit), then its CMYK → RGB formula, no colour profile. */
function cmykToRgb(stored: Uint8Array, rgb: Uint8Array): void {
  for (let from = 0, to = 0; to < rgb.length; from += 4, to += 3) {
    const light = stored[from + 3] ?? 0;
    rgb[to] = light - multiplyBytes(255 - (stored[from] ?? 0), light);
    rgb[to + 1] = light - multiplyBytes(255 - (stored[from + 1] ?? 0), light);
    rgb[to + 2] = light - multiplyBytes(255 - (stored[from + 2] ?? 0), light);
  }
}

/** a·b/255 rounded, in integers: Pillow's MULDIV255. */
function multiplyBytes(a: number, b: number): number {
  const product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}
