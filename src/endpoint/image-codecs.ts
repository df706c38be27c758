import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { type CodecModules, createDecoder, type Decoder } from '../core/image/decode.ts';

type CodecModule = CodecModules[keyof CodecModules];

// Node's own types leave this global out.
declare const WebAssembly: { compile(bytes: Uint8Array): Promise<CodecModule> };

/** The worker's image decoders, compiled from their packages. */
export async function loadImageDecoder(): Promise<Decoder> {
  const [jpeg, png, webp] = await Promise.all([
    compile('@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm'),
    compile('@jsquash/png/codec/pkg/squoosh_png_bg.wasm'),
    compile('@jsquash/webp/codec/dec/webp_dec.wasm'),
  ]);
  return createDecoder({ jpeg, png, webp });
}

async function compile(specifier: string): Promise<CodecModule> {
  return WebAssembly.compile(await readFile(createRequire(import.meta.url).resolve(specifier)));
}
