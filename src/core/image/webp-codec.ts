import type { PixelRows } from './pixel-rows.ts';
import { type DecoderHeap, decodeRows } from './row-codec.ts';

/**
 * Opens a WebP, by libwebp (wasm/webp-decoder/decoder.c). The decoder's heap holds the file, and all of a lossless picture, 4
 * bytes a pixel: its bitstream may point back to any pixel before.
 */
export type OpenWebp = (file: Uint8Array, declared: { width: number; height: number }, param: string) => PixelRows;

/** A codec over the compiled decoder and the memory that it shares with others. */
export function createWebpCodec(module: WebAssembly.Module, heap: DecoderHeap): OpenWebp {
  return (file, { width, height }, param) =>
    decodeRows(module, heap, { file, width, height, options: [file.length] }, param);
}
