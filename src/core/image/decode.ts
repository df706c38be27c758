import mozjpeg from '@jsquash/jpeg/codec/dec/mozjpeg_dec.js';
import webp from '@jsquash/webp/codec/dec/webp_dec.js';
import { decodeInFreshInstance } from './emscripten-codec.ts';
import { invalidImage } from './image-failure.ts';
import { decodeCmykJpeg } from './jpeg-cmyk.ts';
import { decodePng } from './png-codec.ts';
import type { Rgb } from './rgb.ts';
import type { ImageHeader } from './sniff.ts';

/** Compiled codecs. Workers may not compile bytes: they import the files that `codec-files.ts` has others compile. */
export type CodecModules = Readonly<Record<ImageHeader['format'], WebAssembly.Module>>;

export interface Decoder {
  /**
   * Decodes a sniffed file to its stored pixels (the orientation comes afterwards), equal to Pillow's
   * `Image.open(…).convert('RGB')`. Throws RequestError `invalid-image` naming `param` for damaged files.
   *
   * Peak memory beside the file, in bytes a pixel, codec heap included: JPEG 9, progressive 12, CMYK 18, WebP 10, PNG 7 to 13,
   * 16-bit grey PNG 16. What is kept: 3 for PNG, 4 for the others.
   */
  decode(file: Uint8Array, header: ImageHeader, param: string): Promise<Rgb>;
}

/** A decoder over the given codecs; runs wherever WebAssembly does. */
export function createDecoder(modules: CodecModules): Decoder {
  return {
    async decode(file, header, param) {
      const image = await decodeAs(header, file, modules, param);
      if (image.width !== header.width || image.height !== header.height) {
        throw invalidImage(
          param,
          `The image says ${header.width}×${header.height} px but holds ${image.width}×${image.height} px`,
        );
      }
      return image;
    },
  };
}

async function decodeAs(header: ImageHeader, file: Uint8Array, modules: CodecModules, param: string): Promise<Rgb> {
  if (header.format === 'png') {
    return decodePng(modules.png, file, header.grey16, param);
  }
  if (header.format === 'webp') {
    return decodeInFreshInstance(webp, modules.webp, [file], param);
  }
  const decodeJpeg = (jpeg: Uint8Array): Promise<Rgb> =>
    decodeInFreshInstance(mozjpeg, modules.jpeg, [jpeg, false], param);
  return header.colour === 'rgb' ? decodeJpeg(file) : decodeCmykJpeg(file, header.colour, decodeJpeg, param);
}
