/**
 * `npm run wasm`: compiles the modules that the repository holds ready-made, and writes their checksums. Users need no
 * toolchain; test/wasm/build.test.ts compares what this makes with what is committed.
 */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compileAvif } from './compile-avif.ts';
import { compileC } from './compile-c.ts';
import { jpegDecoder } from './compile-jpeg.ts';
import { compileKernel } from './compile-kernel.ts';
import { pngDecoder } from './compile-png.ts';
import { webpDecoder } from './compile-webp.ts';

export interface WasmModule {
  /** Beside this file. */
  readonly binary: string;
  /** Null where the toolchain is not there. */
  compile(): Promise<Uint8Array | null>;
}

export const MODULES: readonly WasmModule[] = [
  { binary: 'patch-kernel/kernel.wasm', compile: () => compileKernel('patch-kernel/kernel.ts') },
  { binary: 'resize-kernel/kernel.wasm', compile: () => compileKernel('resize-kernel/kernel.ts') },
  { binary: 'jpeg-decoder/decoder.wasm', compile: () => compileC(jpegDecoder, process.env) },
  { binary: 'png-decoder/decoder.wasm', compile: () => compileC(pngDecoder, process.env) },
  { binary: 'webp-decoder/decoder.wasm', compile: () => compileC(webpDecoder, process.env) },
  { binary: 'avif-decoder/decoder.wasm', compile: compileAvif },
];

/** In the form of sha256sum. */
export const CHECKSUMS = 'SHA256SUMS';

export function checksumLine(binary: string, contents: Uint8Array): string {
  return `${createHash('sha256').update(contents).digest('hex')}  ${binary}\n`;
}

if (import.meta.main) {
  let checksums = '';
  for (const module of MODULES) {
    const { binary } = module;
    const path = join(import.meta.dirname, binary);
    const compiled = await module.compile();
    const contents = compiled ?? (await readFile(path));
    await writeFile(path, contents);
    checksums += checksumLine(binary, contents);
    process.stdout.write(
      `wasm/${binary}: ${contents.length} bytes${compiled === null ? ', left: no toolchain' : ''}\n`,
    );
  }
  await writeFile(join(import.meta.dirname, CHECKSUMS), checksums);
}
