import { execFile } from 'node:child_process';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { InferenceSession } from 'onnxruntime-node';
import { describe, expect, inject, it } from 'vitest';
import { createRandom } from '../../../src/endpoint/random.ts';
import type { Inspection } from '../../../weights-tools/inspect/inspection.ts';
import {
  copyOf,
  tempFolder,
  type TestTensor,
  VORA_AUX,
  VORA_MERGED,
  VORA_RANDOM,
  writeTensors,
} from '../../support/checkpoint-folder.ts';
import { loraTensors, writeAdapter } from '../../support/peft-folder.ts';
import { runInProcess } from '../../support/run-cli.ts';

describe('inspect', () => {
  it('says what a checkpoint holds', async () => {
    const { code, stdout } = await runInProcess('inspect', VORA_AUX);
    expect(code).toBe(0);
    expect(stdout).toContain('qwen2, 2 layers, hidden 64, vocabulary 832');
    expect(stdout).toContain('not merged, 7 × rank 8, on the first 1 layers');
    expect(stdout).toContain('3 tensors, 10.9 kB: aux vision (no part of the model)');
    expect(stdout).toMatch(/^2 +llm\.model\.layers\.\*\.mlp\.down_proj\.weight +\[64, 96\] +BF16 +24\.6 kB$/m);
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
      bytes: 2 * 832 * 128,
      part: 'language model',
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

  it('says that a merged checkpoint is one', async () => {
    const { stdout } = await runInProcess('inspect', VORA_MERGED);
    expect(stdout).toContain('none: merged already, or a base model');
  });

  it('lists ports, operators and weights of a graph as ONNX Runtime sees them', async () => {
    const path = join(inject('artifacts').onnx, 'decoder.onnx');
    const { stdout } = await runInProcess('inspect', path, '--json');
    const { graph, tensors } = JSON.parse(stdout) as Inspection & { graph: { inputs: object[]; outputs: object[] } };
    const { inputMetadata, outputMetadata } = await InferenceSession.create(path, { logSeverityLevel: 3 });
    const named = (ports: readonly { name: string; shape?: readonly unknown[] }[]): object[] =>
      ports.map(({ name, shape }) => ({ name, shape }));
    expect(named(graph.inputs as { name: string }[])).toEqual(named(inputMetadata));
    expect(named(graph.outputs as { name: string }[])).toEqual(named(outputMetadata));
    expect(tensors.find(({ name }) => name === 'model.layers.3.mlp.down_proj.weight')).toEqual({
      name: 'model.layers.3.mlp.down_proj.weight',
      dtype: 'f32',
      shape: [128, 256],
      bytes: 4 * 128 * 256,
      part: 'language model',
      file: 'decoder.onnx.data',
    });
    const text = await runInProcess('inspect', path);
    expect(text.stdout).toMatch(/^operators +.*4 × GroupQueryAttention/m);
  });

  it.each(['onnx', 'edge'] as const)('reads the manifest and the graphs of an %s folder', async (kind) => {
    const { code, stdout } = await runInProcess('inspect', inject('artifacts')[kind]);
    expect(code).toBe(0);
    expect(stdout).toContain(`${kind} of vora-random, weights f32, vora.json is sound`);
    expect(stdout).toMatch(/^1 +norm +\[589, 589\] +f32/m);
  });

  it('reads a GGUF file, and the folder it is in', async () => {
    const out = join(await tempFolder(), 'gguf');
    await runInProcess('export', 'gguf', inject('artifacts').merged, '--type', 'q8_0', '--out', out);
    const folder = await runInProcess('inspect', out);
    expect(folder.stdout).toContain('gguf of vora-random, weights q8_0, vora.json is sound');
    const { stdout } = await runInProcess('inspect', join(out, 'vora-random-Q8_0.gguf'));
    expect(stdout).toContain('qwen2, 4 layers, hidden 128, vocabulary 832');
    expect(stdout).toMatch(/^4 +blk\.\*\.ffn_down\.weight +\[128, 256\] +Q8_0 +139 kB$/m);
  });

  it('shows an adapter, and says why merge would refuse it', async () => {
    const folder = await tempFolder();
    const name = 'base_model.model.model.layers.0.self_attn.q_proj';
    const half = (shape: number[]): TestTensor => ({ dtype: 'F32', shape, bytes: new Uint8Array(4 * 4 * 16) });
    const tensors = new Map([
      [`${name}.lora_A.weight`, half([4, 16])],
      [`${name}.lora_B.weight`, half([16, 4])],
    ]);
    await writeTensors(join(folder, 'adapter_model.safetensors'), tensors);
    const config = { peft_type: 'LORA', r: 4, lora_alpha: 8, base_model_name_or_path: 'Qwen/Qwen2.5-1.5B' };
    const path = join(folder, 'adapter_config.json');
    await writeFile(path, JSON.stringify(config));
    const sound = await runInProcess('inspect', folder);
    expect(sound.stdout).toMatch(/^base +Qwen\/Qwen2\.5-1\.5B$/m);
    expect(sound.stdout).toMatch(/^rank +1 × rank 4$/m);
    expect(sound.stdout).toMatch(/^scaling +alpha\/r, alpha 8$/m);
    expect(sound.stdout).toMatch(/^merge +possible by its config$/m);
    expect(sound.stdout).toContain('1 tensors, 256 B: A of linears');

    await writeFile(path, JSON.stringify({ ...config, init_lora_weights: 'pissa_niter_4' }));
    const refused = await runInProcess('inspect', folder);
    expect(refused.code).toBe(0);
    expect(refused.stdout).toMatch(/^merge +refused: adapter_config\.json: init_lora_weights: found "pissa_niter_4"/m);
  });

  it('prints no command to the terminal that a name in a file may be', async () => {
    const tensors = loraTensors(createRandom(1), [['model.\u001B]0;x\u0007\nmerge possible', [2, 2]]]);
    const folder = await writeAdapter(tensors, { base_model_name_or_path: 'Qwen\u001B[2J' });
    const { code, stdout } = await runInProcess('inspect', folder);
    expect(code).toBe(0);
    expect(stdout).toContain('Qwen\uFFFD[2J\n');
    expect(stdout.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
    expect(stdout).not.toMatch(/^merge possible/m);
  });

  it('is told of nothing, and of pickles', async () => {
    const missing = await runInProcess('inspect', 'no/such/model');
    expect(missing.stderr).toContain('no/such/model: found nothing, expected a model folder or file');
    const folder = await tempFolder();
    const pickle = join(folder, 'pytorch_model.bin');
    await writeFile(pickle, 'PK');
    const adapter = await tempFolder();
    await writeFile(join(adapter, 'adapter_config.json'), '{"peft_type":"LORA","r":4,"lora_alpha":8}');
    await writeFile(join(adapter, 'adapter_model.bin'), 'PK');
    for (const path of [folder, pickle, adapter]) {
      const { code, stderr } = await runInProcess('inspect', path);
      expect(code).toBe(1);
      expect(stderr).toMatch(/found \w+\.bin, a PyTorch pickle, expected safetensors\. Convert/);
    }
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
