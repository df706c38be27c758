import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checksumLine, CHECKSUMS, compile, MODULES } from '../../wasm/build.ts';

const WASM = resolve(import.meta.dirname, '../../wasm');

describe.each(MODULES)('$binary', (module) => {
  it('is what its source compiles to', async () => {
    const committed = await readFile(join(WASM, module.binary));
    expect(Buffer.from(await compile(module)).equals(committed)).toBe(true);
  });

  it('is listed with its checksum', async () => {
    const listed = await readFile(join(WASM, CHECKSUMS), 'utf8');
    expect(listed).toContain(checksumLine(module.binary, await readFile(join(WASM, module.binary))));
  });
});
