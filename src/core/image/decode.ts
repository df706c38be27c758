import webp from '@jsquash/webp/codec/dec/webp_dec.js';
import { decodeInFreshInstance } from './emscripten-codec.ts';
import { decodeGif } from './gif-codec.ts';
import { invalidImage } from './image-failure.ts';
import { createJpegCodec } from './jpeg-codec.ts';
import { jpegEighths } from './jpeg-scale.ts';
import { type PixelRows, rowsOf } from './pixel-rows.ts';
import { decodePng } from './png-codec.ts';
import type { ImageHeader } from './sniff.ts';

/** Compiled codecs. Workers may not compile bytes: they import the files that `codec-files.ts` has others compile. */
export type CodecModules = Readonly<Record<Exclude<ImageHeader['format'], 'gif'>, WebAssembly.Module>>;

export interface Decoder {
  /**
   * Decodes a sniffed file to its stored pixels (the orientation comes afterwards), equal to Pillow's
   * `Image.open(…).convert('RGB')`. A JPEG of more than JPEG_EXACT_MAX_PIXELS comes at half, a quarter or an eighth of its
   * size, by libjpeg's own scaling. Throws RequestError `invalid-image` naming `param` for damaged files, here or while the
   * rows are read.
   *
   * Peak memory beside the file, codec heap included: JPEG a few rows, with several scans 2 bytes a sample; in bytes a pixel
   * WebP 10, PNG 7 to 13, 16-bit grey PNG 16, GIF 1.
   */
  open(file: Uint8Array, header: ImageHeader, param: string): Promise<PixelRows>;
}

/** A decoder over the given codecs; runs wherever WebAssembly does. */
export function createDecoder(modules: CodecModules): Decoder {
  const openJpeg = createJpegCodec(modules.jpeg);
  return {
    async open(file, header, param) {
      if (header.format === 'jpeg') {
        return openJpeg(file, header, jpegEighths(header), param);
      }
      if (header.format === 'gif') {
        return decodeGif(file, header, param);
      }
      const image =
        header.format === 'png'
          ? decodePng(modules.png, file, header.grey16, param)
          : await decodeInFreshInstance(webp, modules.webp, file, param);
      if (image.width !== header.width || image.height !== header.height) {
        const says = `${header.width}×${header.height} px`;
        throw invalidImage(param, `The image says ${says} but holds ${image.width}×${image.height} px`);
      }
      return rowsOf(image);
    },
  };
}
