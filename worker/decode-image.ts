import jpeg from '@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm';
import png from '@jsquash/png/codec/pkg/squoosh_png_bg.wasm';
import webp from '@jsquash/webp/codec/dec/webp_dec.wasm';
import { createDecoder } from '../src/core/image/decode.ts';
import { applyOrientation } from '../src/core/image/orientation.ts';
import type { Rgb } from '../src/core/image/rgb.ts';
import type { ImageHeader } from '../src/core/image/sniff.ts';

const decoder = createDecoder({ jpeg, png, webp });

/** Upright pixels of a sniffed file. Throws RequestError `invalid-image` naming `param` for damaged files. */
export async function decodeImage(file: Uint8Array, header: ImageHeader, param: string): Promise<Rgb> {
  return applyOrientation(await decoder.decode(file, header, param), header.orientation);
}
