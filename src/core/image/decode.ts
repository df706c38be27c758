import { createAvifCodec } from './avif-codec.ts';
import { decodeGif } from './gif-codec.ts';
import { createJpegCodec } from './jpeg-codec.ts';
import { jpegEighths } from './jpeg-scale.ts';
import type { PixelRows } from './pixel-rows.ts';
import { createPngCodec } from './png-codec.ts';
import { createDecoderHeap } from './row-codec.ts';
import type { ResizePasses } from './resize-passes.ts';
import { createSimdPasses } from './simd-passes.ts';
import type { ImageHeader } from './sniff.ts';
import { createWebpCodec } from './webp-codec.ts';

/**
 * Compiled codecs, and the kernel that resizes. Workers may not compile bytes: they import the files that `codec-files.ts`
 * has others compile.
 */
export type CodecModules = Readonly<Record<Exclude<ImageHeader['format'], 'gif'> | 'resize', WebAssembly.Module>>;

export interface Decoder {
  /**
   * Decodes a sniffed file to its stored pixels (the orientation comes afterwards), equal to Pillow's
   * `Image.open(…).convert('RGB')`. A JPEG of more than JPEG_EXACT_MAX_PIXELS, or one that is shrunk far, comes at half, a
   * quarter or an eighth of its size, by libjpeg's own scaling (jpeg-scale.ts). Throws RequestError `invalid-image` naming
   * `param` for damaged files, here or while the rows are read.
   *
   * Peak memory beside the file, codec heap included: a few rows, but 2 bytes a sample for a JPEG of several scans, 3 bytes a
   * pixel for an interlaced PNG, 4 for a lossless WebP, 1 for a GIF, and for every WebP the
   * file once more; an AVIF's whole picture several times, within AVIF_HEAP_MAX_BYTES, and 4 for its RGBA beside the heap.
   *
   * @param shrink pixels along an edge that will become one; 1 where that is not known.
   */
  open(file: Uint8Array, header: ImageHeader, param: string, shrink?: number): Promise<PixelRows>;
  /** How what it decodes is resized. */
  readonly passes: ResizePasses;
}

/** A decoder over the given codecs; runs wherever WebAssembly does. */
export function createDecoder(modules: CodecModules): Decoder {
  const heap = createDecoderHeap();
  const openJpeg = createJpegCodec(modules.jpeg, heap);
  const openPng = createPngCodec(modules.png, heap);
  const openWebp = createWebpCodec(modules.webp, heap);
  const openAvif = createAvifCodec(modules.avif, heap);
  return {
    passes: createSimdPasses(modules.resize),
    async open(file, header, param, shrink = 1) {
      switch (header.format) {
        case 'jpeg':
          return openJpeg(file, header, jpegEighths(header, shrink), param);
        case 'png':
          return openPng(file, header, param);
        case 'webp':
          return openWebp(file, header, param);
        case 'gif':
          return decodeGif(file, header, param);
        case 'avif':
          return openAvif(file, header, param);
      }
    },
  };
}
