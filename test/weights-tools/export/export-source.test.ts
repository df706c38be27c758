import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, inject, it } from 'vitest';
import { type Manifest, manifestSchema } from '../../../src/core/model/manifest.ts';
import { mergeRequest } from '../../../weights-tools/commands/source-options.ts';
import { openExportSource } from '../../../weights-tools/export/export-source.ts';
import { ADAPTER, BASE, tempFolder, VORA_RANDOM } from '../../support/checkpoint-folder.ts';
import { runInProcess } from '../../support/run-cli.ts';

const { merged, onnx } = inject('artifacts');

async function readManifest(folder: string): Promise<Manifest> {
  return manifestSchema.parse(JSON.parse(await readFile(join(folder, 'vora.json'), 'utf8')));
}

it('an export straight from checkpoint or base and adapter has the bytes of one through a merged folder', async () => {
  const { artifacts, vision } = await readManifest(onnx);
  for (const source of [[VORA_RANDOM], ['--base', BASE, '--adapter', ADAPTER]]) {
    const out = join(await tempFolder(), 'onnx');
    const { code, stderr } = await runInProcess('export', 'onnx', ...source, '--out', out);
    expect({ code, warned: stderr.includes('warning') }).toEqual({ code: 0, warned: false });
    const manifest = await readManifest(out);
    expect(manifest.artifacts).toEqual(artifacts);
    expect(manifest.vision).toEqual(vision);
    const inputs = manifest.provenance.inputs.map(({ path }) => path);
    expect(inputs).toContain(source.length === 1 ? 'checkpoint/config.json' : 'base/config.json');
  }
});

it('a merge that is read has the manifest, the config and the files that a written one has', async () => {
  const options = { adapter: [], method: 'exact' } as const;
  const [written, read] = [
    await openExportSource(mergeRequest(merged, options)),
    await openExportSource(mergeRequest(VORA_RANDOM, options)),
  ];
  try {
    expect(read.manifest).toEqual({
      ...written.manifest,
      artifacts: [],
      provenance: { ...written.manifest.provenance, inputs: [] },
    });
    expect(read.llmConfig).toEqual(written.llmConfig);
    expect([...read.llm.keys()]).toEqual([...written.llm.keys()]);
    expect([...read.text.contents.keys()].toSorted()).toEqual([...written.text.contents.keys()].toSorted());
    expect(await read.verifyInputs({})).toEqual(written.manifest.provenance.inputs);
  } finally {
    await Promise.all([written.close(), read.close()]);
  }
});

it('a finished folder takes no adapters', async () => {
  const out = join(await tempFolder(), 'onnx');
  const { code, stderr } = await runInProcess('export', 'onnx', merged, '--adapter', ADAPTER, '--out', out);
  expect(code).toBe(1);
  expect(stderr).toContain('found a finished artifact folder, expected no --base and --adapter with it');
});
