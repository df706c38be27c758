import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const ASC = resolve(import.meta.dirname, '../node_modules/assemblyscript/bin/asc.js');
const OPTIONS = ['-O3', '--noAssert', '--runtime', 'stub', '--importMemory', '--enable', 'simd'];

/** A kernel by AssemblyScript, its source beside this file: the same bytes on every machine for one version of it. */
export async function compileKernel(source: string): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), 'vora-wasm-'));
  try {
    const binary = join(folder, 'kernel.wasm');
    await promisify(execFile)(process.execPath, [ASC, source, '--outFile', binary, ...OPTIONS], {
      cwd: import.meta.dirname,
    });
    return await readFile(binary);
  } finally {
    await rm(folder, { recursive: true });
  }
}
