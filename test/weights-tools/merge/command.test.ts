import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BASE, tempFolder, VORA_AUX } from '../../support/checkpoint-folder.ts';
import { runInProcess } from '../../support/run-cli.ts';

describe('the output', () => {
  it('is never written over something that is no artifact, not even with --force', async () => {
    const out = await tempFolder();
    await writeFile(join(out, 'diary.txt'), 'mine');
    const { code, stderr } = await runInProcess('merge', VORA_AUX, '--out', out, '--force');
    expect(code).toBe(1);
    expect(stderr).toContain('found something without vora.json, expected a new path');
    expect(await readdir(out)).toEqual(['diary.txt']);
  });

  it('replaces a finished one only with --force', async () => {
    const out = join(await tempFolder(), 'merged');
    expect((await runInProcess('merge', VORA_AUX, '--out', out, '--name', 'old')).code).toBe(0);
    const second = await runInProcess('merge', VORA_AUX, '--out', out, '--name', 'new');
    expect(second.code).toBe(1);
    expect(second.stderr).toContain('found a finished artifact folder, expected a new path, or --force');
    expect((await runInProcess('merge', VORA_AUX, '--out', out, '--name', 'new', '--force')).code).toBe(0);
    expect(await readFile(join(out, 'vora.json'), 'utf8')).toContain('"name": "new"');
    expect(existsSync(`${out}.replaced`)).toBe(false);
  });

  it('is begun only while no other run writes it', async () => {
    const out = join(await tempFolder(), 'merged');
    await mkdir(`${out}.partial`);
    await writeFile(join(`${out}.partial`, '.lock'), String(process.ppid));
    const { code, stderr } = await runInProcess('merge', VORA_AUX, '--out', out);
    expect(code).toBe(1);
    expect(stderr).toContain(`process ${process.ppid} is writing it`);
  });

  it('is an I/O failure where it cannot be created', async () => {
    const { code } = await runInProcess('merge', VORA_AUX, '--out', '/dev/null/merged');
    expect(code).toBe(3);
  });
});

describe('the command line', () => {
  it.each([
    ['no command', []],
    ['an unknown command', ['mergee']],
    ['no --out', ['merge', VORA_AUX]],
    ['an unknown dtype', ['merge', VORA_AUX, '--out', 'x', '--dtype', 'int3']],
    ['a memory that is no size', ['merge', VORA_AUX, '--out', 'x', '--memory', 'lots']],
    ['pixels that are no number', ['merge', VORA_AUX, '--out', 'x', '--min-pixels', '0']],
    ['an adapter times nothing', ['merge', '--base', BASE, '--adapter', 'x:0', '--out', 'x']],
    ['an unknown method', ['merge', '--base', BASE, '--adapter', 'x', '--method', 'linear', '--out', 'x']],
    ['a density past 1', ['merge', '--base', BASE, '--adapter', 'x', '--density', '1.1', '--out', 'x']],
    ['a seed that is no number', ['merge', '--base', BASE, '--adapter', 'x', '--seed', 'x', '--out', 'x']],
    ['a name of nothing', ['merge', VORA_AUX, '--out', 'x', '--name', '']],
    ['an unknown option', ['inspect', VORA_AUX, '--yaml']],
  ])('with %s is a usage error', async (_name, argv) => {
    expect((await runInProcess(...argv)).code).toBe(2);
  });

  it('teaches with --help', async () => {
    const { code, stdout } = await runInProcess('merge', '--help');
    expect(code).toBe(0);
    expect(stdout).toContain('$ vora merge adapters --base Qwen2.5-7B-Instruct');
  });

  it('prints the plan of a dry run and writes nothing', async () => {
    const out = join(await tempFolder(), 'merged');
    const { code, stdout } = await runInProcess('merge', VORA_AUX, '--out', out, '--dtype', 'f32', '--dry-run');
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^model\.layers\.0\.mlp\.up_proj\.weight +\[96, 64\] +BF16 → F32 +merge r=8 +24576 +model\.safe/m,
    );
    expect(stdout).toMatch(/^model\.layers\.1\.mlp\.up_proj\.weight +\[96, 64\] +BF16 → F32 +convert +24576/m);
    expect(stdout).toMatch(/^aux_vision\.aux_layer_0\.0\.weight +\[64\] +BF16 +drop$/m);
    expect(stdout).toContain('of buffers');
    expect(existsSync(out) || existsSync(`${out}.partial`)).toBe(false);
  });
});
