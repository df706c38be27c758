import { createDecoder } from '../src/core/image/decode.ts';
import { preprocess, shrinkOf } from '../src/core/image/preprocess.ts';
import type { ImageVision } from '../src/core/image/resize-for-detail.ts';
import type { Rgb } from '../src/core/image/rgb.ts';
import type { ImageHeader } from '../src/core/image/sniff.ts';
import { IMAGE_DECODES_MAX } from '../src/core/limits.ts';
import avif from '../wasm/avif-decoder/decoder.wasm';
import jpeg from '../wasm/jpeg-decoder/decoder.wasm';
import png from '../wasm/png-decoder/decoder.wasm';
import resize from '../wasm/resize-kernel/kernel.wasm';
import webp from '../wasm/webp-decoder/decoder.wasm';
import { createGate } from './gate.ts';

const decoder = createDecoder({ jpeg, png, webp, avif, resize });

/** Runs a decode, no more than IMAGE_DECODES_MAX at once in this isolate: others wait. */
export const inTurn = createGate(IMAGE_DECODES_MAX);

/**
 * A sniffed file as the model sees it, to be run in turn.
 * Throws RequestError `invalid-image` naming `param` for damaged files.
 */
export async function decodeImage(
  file: Uint8Array,
  header: ImageHeader,
  vision: ImageVision,
  param: string,
): Promise<Rgb> {
  const rows = await decoder.open(file, header, param, shrinkOf(header, vision, param));
  return preprocess(header, rows, vision, param, decoder.passes);
}
