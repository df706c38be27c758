import { existsSync } from 'node:fs';
import { cp, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, inject, it } from 'vitest';
import { type Manifest, manifestSchema } from '../../src/core/model/manifest.ts';
import { beginArtifactFolder } from '../../weights-tools/artifact-folder.ts';
import { copyOf, tempFolder } from '../support/checkpoint-folder.ts';
import { runInProcess } from '../support/run-cli.ts';

const { merged } = inject('artifacts');

async function anyManifest(): Promise<Omit<Manifest, 'artifacts'>> {
  const { artifacts: _, ...manifest } = manifestSchema.parse(
    JSON.parse(await readFile(join(merged, 'vora.json'), 'utf8')),
  );
  return manifest;
}

it('is locked until every byte of it was hashed', async () => {
  const out = join(await tempFolder(), 'out');
  const folder = await beginArtifactFolder(out);
  await folder.write('weights', 'w');
  const locked: boolean[] = [];
  const { artifacts } = await folder.finish(await anyManifest(), {
    onBytes: () => locked.push(existsSync(`${out}.partial/.lock`)),
  });
  expect(locked).toEqual([true]);
  expect(artifacts.map(({ path }) => path)).toEqual(['weights']);
  expect(existsSync(join(out, '.lock'))).toBe(false);
});

it('is not finished by a run that lost it to another', async () => {
  const out = join(await tempFolder(), 'out');
  const first = await beginArtifactFolder(out);
  const second = await beginArtifactFolder(out);
  await second.write('weights', 'w');
  await expect(first.finish(await anyManifest())).rejects.toThrow('another run began to write it');
  expect(existsSync(out)).toBe(false);
  await second.finish(await anyManifest());
  expect(existsSync(join(out, 'vora.json'))).toBe(true);
});

it('never replaces the folder it is made from', async () => {
  const input = await copyOf(merged);
  const link = join(await tempFolder(), 'link');
  await symlink(input, link);
  for (const out of [input, `${input}/`, link]) {
    const { code, stderr } = await runInProcess('export', 'edge', input, '--out', out, '--force');
    expect(stderr).toContain(`found the input ${input} there, expected another path for the output`);
    expect(code).toBe(1);
  }
  expect(existsSync(join(input, 'model.safetensors'))).toBe(true);
});

it('never throws away an unfinished folder that it is made from', async () => {
  const out = join(await tempFolder(), 'out');
  await cp(merged, `${out}.partial`, { recursive: true });
  const { code, stderr } = await runInProcess('export', 'edge', `${out}.partial`, '--out', out);
  expect(stderr).toContain('expected another path for the output');
  expect(code).toBe(1);
  expect(existsSync(join(`${out}.partial`, 'model.safetensors'))).toBe(true);
});
