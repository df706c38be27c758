import type { PixelRows } from './pixel-rows.ts';
import { type DecoderHeap, decodeRows } from './row-codec.ts';

/**
 * Opens a PNG, by libpng (wasm/png-decoder/decoder.c). Only an interlaced picture is held as a whole, in the decoder's heap:
 * 3 bytes a pixel, 2 where it is 16-bit grey.
 */
export type OpenPng = (file: Uint8Array, declared: { width: number; height: number }, param: string) => PixelRows;

/** A codec over the compiled decoder and the memory that it shares with others. */
export function createPngCodec(module: WebAssembly.Module, heap: DecoderHeap): OpenPng {
  return (file, { width, height }, param) => decodeRows(module, heap, { file, width, height, options: [] }, param);
}
