import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { loadDecoder } from '../core/image/codec-files.ts';
import type { CodecModules, Decoder } from '../core/image/decode.ts';

// Node's own types leave this global out.
declare const WebAssembly: { compile(bytes: Uint8Array): Promise<CodecModules[keyof CodecModules]> };

/** The worker's image decoders, compiled from their packages. */
export function loadImageDecoder(): Promise<Decoder> {
  return loadDecoder(async (specifier) =>
    WebAssembly.compile(await readFile(createRequire(import.meta.url).resolve(specifier))),
  );
}
