import { readFile } from 'node:fs/promises';
import { jpegEighths } from '../../src/core/image/jpeg-scale.ts';
import { createJpegCodec } from '../../src/core/image/jpeg-codec.ts';
import { plainPasses } from '../../src/core/image/plain-passes.ts';
import { preprocess, shrinkOf } from '../../src/core/image/preprocess.ts';
import { createDecoderHeap } from '../../src/core/image/row-codec.ts';
import { sniffImage } from '../../src/core/image/sniff.ts';

// Node's own types leave this global out.
declare const WebAssembly: { compile(bytes: Uint8Array): Promise<Parameters<typeof createJpegCodec>[0]> };

const JPEG = new URL('../../wasm/jpeg-decoder/decoder.wasm', import.meta.url);
const VISION = { imageSize: 448, patchSize: 14, resize: { mode: 'square' } } as const;

/** How far the model's input from a scaled decode is from that of the full one, in levels; null where nothing is scaled. */
export async function scaledError(file: Uint8Array): Promise<{ mean: number; largest: number } | null> {
  const header = sniffImage(file, 'file');
  const eighths = jpegEighths(header, shrinkOf(header, VISION, 'file'));
  if (header.format !== 'jpeg' || eighths === 8) {
    return null;
  }
  const openJpeg = createJpegCodec(await WebAssembly.compile(await readFile(JPEG)), createDecoderHeap());
  const input = (scale: number) =>
    preprocess(header, openJpeg(file, header, scale, 'file'), VISION, 'file', plainPasses);
  const [scaled, full] = [await input(eighths), await input(8)];
  const differences = scaled.data.map((value, i) => Math.abs(value - (full.data[i] ?? 0)));
  const sum = differences.reduce((total, value) => total + value, 0);
  return { mean: sum / differences.length, largest: differences.reduce((most, value) => Math.max(most, value), 0) };
}
