/**
 * `npm run wasm`: compiles the modules that the repository holds ready-made, and writes their checksums. Users need no
 * toolchain; test/wasm/build.test.ts compares what this makes with what is committed.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

/** One module: AssemblyScript beside its compiled form. */
interface WasmModule {
  readonly source: string;
  readonly binary: string;
}

export const MODULES: readonly WasmModule[] = [
  { source: 'patch-kernel/kernel.ts', binary: 'patch-kernel/kernel.wasm' },
];

/** In the form of sha256sum. */
export const CHECKSUMS = 'SHA256SUMS';

const ASC = resolve(import.meta.dirname, '../node_modules/assemblyscript/bin/asc.js');
const OPTIONS = ['-O3', '--noAssert', '--runtime', 'stub', '--importMemory', '--enable', 'simd'];

/** The same bytes on every machine for one version of AssemblyScript. */
export async function compile({ source }: WasmModule): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), 'vora-wasm-'));
  try {
    const binary = join(folder, 'module.wasm');
    await promisify(execFile)(process.execPath, [ASC, source, '--outFile', binary, ...OPTIONS], {
      cwd: import.meta.dirname,
    });
    return await readFile(binary);
  } finally {
    await rm(folder, { recursive: true });
  }
}

export function checksumLine(binary: string, contents: Uint8Array): string {
  return `${createHash('sha256').update(contents).digest('hex')}  ${binary}\n`;
}

if (import.meta.main) {
  let checksums = '';
  for (const module of MODULES) {
    const contents = await compile(module);
    await writeFile(join(import.meta.dirname, module.binary), contents);
    checksums += checksumLine(module.binary, contents);
    process.stdout.write(`wasm/${module.binary}: ${contents.length} bytes\n`);
  }
  await writeFile(join(import.meta.dirname, CHECKSUMS), checksums);
}
