import { readFile } from 'node:fs/promises';
import type { createJpegCodec } from '../../src/core/image/jpeg-codec.ts';

type JpegModule = Parameters<typeof createJpegCodec>[0];

// Node's own types leave this global out.
declare const WebAssembly: { compile(bytes: Uint8Array): Promise<JpegModule> };

/** The JPEG decoder as the repository holds it. */
export async function jpegModule(): Promise<JpegModule> {
  return WebAssembly.compile(await readFile(new URL('../../wasm/jpeg-decoder/decoder.wasm', import.meta.url)));
}
