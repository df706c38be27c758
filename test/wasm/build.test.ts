import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checksumLine, CHECKSUMS, MODULES } from '../../wasm/build.ts';

const WASM = resolve(import.meta.dirname, '../../wasm');

describe.each(MODULES)('$binary', (module) => {
  const { binary } = module;
  it('is what its source compiles to, where its toolchain is', async () => {
    const committed = await readFile(join(WASM, binary));
    const compiled = (await module.compile()) ?? committed;
    expect(Buffer.from(compiled).equals(committed)).toBe(true);
  });

  it('is listed with its checksum', async () => {
    const listed = await readFile(join(WASM, CHECKSUMS), 'utf8');
    expect(listed).toContain(checksumLine(binary, await readFile(join(WASM, binary))));
  });

  it('asks nothing of its host but what is given to it', async () => {
    const allowed = ['env.memory', 'env.pull', 'env.give', 'env.fail'];
    const compiled = await WebAssembly.compile(await readFile(join(WASM, binary)));
    const imports = WebAssembly.Module.imports(compiled).map(({ module: from, name }) => `${from}.${name}`);
    // Emscripten's glue gives its modules functions of one letter.
    const isOfGlue = (name: string) => binary.startsWith('avif') && /^a\.[a-zA-Z]$/.test(name);
    expect(imports.filter((name) => !allowed.includes(name) && !isOfGlue(name))).toEqual([]);
  });
});

// Node's own types leave this global out.
declare const WebAssembly: {
  compile(bytes: Uint8Array): Promise<object>;
  Module: { imports(module: object): { module: string; name: string }[] };
};
