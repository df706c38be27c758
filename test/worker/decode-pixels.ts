import { createDecoder } from '../../src/core/image/decode.ts';
import type { Rgb } from '../../src/core/image/rgb.ts';
import { sniffImage } from '../../src/core/image/sniff.ts';
import avif from '../../wasm/avif-decoder/decoder.wasm';
import jpeg from '../../wasm/jpeg-decoder/decoder.wasm';
import png from '../../wasm/png-decoder/decoder.wasm';
import resize from '../../wasm/resize-kernel/kernel.wasm';
import webp from '../../wasm/webp-decoder/decoder.wasm';
import { collectRows } from '../support/collect-rows.ts';

/** Over the modules that the worker imports. */
export const decoder = createDecoder({ jpeg, png, webp, avif, resize });

/** The stored pixels of a file. */
export async function decodePixels(file: Uint8Array): Promise<Rgb> {
  return collectRows(await decoder.open(file, sniffImage(file, 'part'), 'part'));
}
