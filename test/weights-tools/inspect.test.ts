import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { copyOf, tempFolder, VORA_AUX, VORA_RANDOM } from '../support/checkpoint-folder.ts';
import { runInProcess } from '../support/run-cli.ts';
import { truncate } from 'node:fs/promises';

describe('inspect', () => {
  it('says what a checkpoint holds', async () => {
    const { code, stdout } = await runInProcess('inspect', VORA_AUX);
    expect(code).toBe(0);
    expect(stdout).toContain('qwen2, 2 layers, hidden 64, vocabulary 832');
    expect(stdout).toContain('rank 8 on the first 1 layers');
    expect(stdout).toContain('3 tensors, 10.9 kB: aux vision (no part of the model)');
    expect(stdout).toMatch(/^2 +llm\.model\.layers\.\*\.mlp\.down_proj\.weight +\[64, 96\] +BF16$/m);
  });

  it('prints every tensor with --json', async () => {
    const { stdout } = await runInProcess('inspect', VORA_RANDOM, '--json');
    const inspection: unknown = JSON.parse(stdout);
    expect(inspection).toMatchObject({
      manifest: null,
      config: { llm: { hiddenSize: 128 }, vision: { positions: 64 }, lora: { layers: 3, rank: 16 } },
      parts: { adapters: { tensors: 42 }, 'vision embedding': { tensors: 5 }, 'language model': { tensors: 51 } },
    });
    expect(inspection).toHaveProperty('tensors.length', 98);
    expect(inspection).toHaveProperty('tensors.0', {
      name: 'llm.model.embed_tokens.weight',
      dtype: 'BF16',
      shape: [832, 128],
      file: join(VORA_RANDOM, 'model-00001-of-00004.safetensors'),
    });
  });

  it('reads the manifest of a merged folder', async () => {
    const out = join(await tempFolder(), 'merged');
    await runInProcess('merge', VORA_AUX, '--out', out);
    const { stdout } = await runInProcess('inspect', out);
    expect(stdout).toContain('merged of vora-aux, weights bf16, vora.json is sound');
    expect(stdout).toContain('5 tensors, 107 kB: vision embedding');
  });

  it('is as strict as merge', async () => {
    const checkpoint = await copyOf(VORA_AUX);
    await truncate(join(checkpoint, 'model.safetensors'), 7);
    const { code, stderr } = await runInProcess('inspect', checkpoint);
    expect(code).toBe(1);
    expect(stderr).toContain('model.safetensors: header length: found 7 bytes, expected 8 at least');
  });

  it('is quiet when its reader leaves early', async () => {
    const command = `"${process.execPath}" bin/vora.mjs inspect ${VORA_RANDOM} --json | true`;
    expect(await promisify(execFile)('sh', ['-c', command])).toEqual({ stdout: '', stderr: '' });
  });
});
