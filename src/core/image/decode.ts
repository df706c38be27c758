import webp from '@jsquash/webp/codec/dec/webp_dec.js';
import { JPEG_EXACT_MAX_PIXELS } from '../limits.ts';
import { decodeInFreshInstance } from './emscripten-codec.ts';
import { invalidImage } from './image-failure.ts';
import { openJpeg } from './jpeg-codec.ts';
import { type PixelRows, rowsOf } from './pixel-rows.ts';
import { decodePng } from './png-codec.ts';
import type { ImageHeader } from './sniff.ts';

/** Compiled codecs. Workers may not compile bytes: they import the files that `codec-files.ts` has others compile. */
export type CodecModules = Readonly<Record<ImageHeader['format'], WebAssembly.Module>>;

export interface Decoder {
  /**
   * Decodes a sniffed file to its stored pixels (the orientation comes afterwards), equal to Pillow's
   * `Image.open(…).convert('RGB')`. A JPEG of more than JPEG_EXACT_MAX_PIXELS comes at half, a quarter or an eighth of its
   * size, by libjpeg's own scaling. Throws RequestError `invalid-image` naming `param` for damaged files, here or while the
   * rows are read.
   *
   * Peak memory beside the file, codec heap included: JPEG a few rows, with several scans 2 bytes a sample; in bytes a pixel
   * WebP 10, PNG 7 to 13, 16-bit grey PNG 16.
   */
  open(file: Uint8Array, header: ImageHeader, param: string): Promise<PixelRows>;
}

/** A decoder over the given codecs; runs wherever WebAssembly does. */
export function createDecoder(modules: CodecModules): Decoder {
  return {
    async open(file, header, param) {
      const eighths = header.format === 'jpeg' ? jpegEighths(header) : 8;
      const image = await openAs(header, file, modules, eighths, param);
      const [width, height] = [header.width, header.height].map((edge) => Math.ceil((edge * eighths) / 8));
      if (image.width !== width || image.height !== height) {
        throw invalidImage(param, `The image says ${width}×${height} px but holds ${image.width}×${image.height} px`);
      }
      return image;
    },
  };
}

/** The largest of 8/8, 4/8, 2/8 and 1/8 at which no more than JPEG_EXACT_MAX_PIXELS are decoded. */
export function jpegEighths({ width, height }: { width: number; height: number }): number {
  return [8, 4, 2].find((eighths) => width * height * (eighths / 8) ** 2 <= JPEG_EXACT_MAX_PIXELS) ?? 1;
}

async function openAs(
  header: ImageHeader,
  file: Uint8Array,
  modules: CodecModules,
  eighths: number,
  param: string,
): Promise<PixelRows> {
  switch (header.format) {
    case 'jpeg':
      return openJpeg(modules.jpeg, file, eighths, param);
    case 'png':
      return rowsOf(decodePng(modules.png, file, header.grey16, param));
    case 'webp':
      return rowsOf(await decodeInFreshInstance(webp, modules.webp, file, param));
  }
}
