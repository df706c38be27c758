import { existsSync } from 'node:fs';
import { readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  ADAPTER,
  BASE,
  changedCheckpoint,
  copyOf,
  tempFolder,
  type TestTensor,
  VORA_AUX,
  VORA_RANDOM,
} from '../../support/checkpoint-folder.ts';
import { changeJson, refused } from '../../support/refused-merge.ts';
import { runInProcess } from '../../support/run-cli.ts';

const LAYER = 'llm.model.layers.0';

function need(tensors: Map<string, TestTensor>, name: string): TestTensor {
  const tensor = tensors.get(name);
  if (tensor === undefined) {
    throw new Error(`no ${name}`);
  }
  return tensor;
}

function moveTensor(tensors: Map<string, TestTensor>, from: string, to: string): void {
  tensors.set(to, need(tensors, from));
  tensors.delete(from);
}

describe('tensors that do not make the model', () => {
  it.each<[string, (tensors: Map<string, TestTensor>) => void, string]>([
    [
      'a base tensor missing',
      (tensors) => tensors.delete('llm.model.norm.weight'),
      'model.norm.weight: found nothing, expected [64]',
    ],
    [
      'a base tensor of another shape',
      (tensors) => {
        const norm = need(tensors, 'llm.model.norm.weight');
        tensors.set('llm.model.norm.weight', { ...norm, shape: [32], bytes: norm.bytes.subarray(64) });
      },
      'model.safetensors: llm.model.norm.weight: found [32], expected [64]',
    ],
    [
      'a base tensor transposed',
      (tensors) => {
        const down = need(tensors, `${LAYER}.mlp.down_proj.weight`);
        tensors.set(`${LAYER}.mlp.down_proj.weight`, { ...down, shape: [96, 64] });
      },
      'mlp.down_proj.weight: found [96, 64], expected [64, 96]',
    ],
    [
      'a dtype that is no float',
      (tensors) => {
        const norm = need(tensors, 'llm.model.norm.weight');
        tensors.set('llm.model.norm.weight', { ...norm, dtype: 'I16' });
      },
      'llm.model.norm.weight: found I16, expected F32, BF16 or F16',
    ],
    [
      'a tensor of nothing we know',
      (tensors) => moveTensor(tensors, 'aux_vision.aux_layer_0.0.weight', 'projector.weight'),
      'projector.weight: found a tensor that no part of the model takes',
    ],
    [
      'a tensor whose name a terminal would obey',
      (tensors) => moveTensor(tensors, 'aux_vision.aux_layer_0.0.weight', '\u001b[2Jx\r\nerror: y'),
      '\ufffd[2Jx\ufffd\ufffderror: y: found a tensor that no part of the model takes',
    ],
    [
      'a base tensor of a layer too many',
      (tensors) => tensors.set('llm.model.layers.2.input_layernorm.weight', need(tensors, 'llm.model.norm.weight')),
      'llm.model.layers.2.input_layernorm.weight: found a tensor that no part of the model takes',
    ],
    [
      'half an adapter',
      (tensors) => tensors.delete(`${LAYER}.self_attn.q_proj.lora_B.weight`),
      `${LAYER}.self_attn.q_proj.lora_B.weight: found nothing, expected [64, 8] beside its other half`,
    ],
    [
      'an adapter missing altogether',
      (tensors) => {
        tensors.delete(`${LAYER}.self_attn.q_proj.lora_A.weight`);
        tensors.delete(`${LAYER}.self_attn.q_proj.lora_B.weight`);
      },
      `${LAYER}.self_attn.q_proj.lora_A.weight: found nothing, expected an adapter of rank 8`,
    ],
    [
      'an adapter on a layer that should have none',
      (tensors) => {
        moveTensor(tensors, `${LAYER}.mlp.up_proj.lora_A.weight`, 'llm.model.layers.1.mlp.up_proj.lora_A.weight');
        moveTensor(tensors, `${LAYER}.mlp.up_proj.lora_B.weight`, 'llm.model.layers.1.mlp.up_proj.lora_B.weight');
      },
      'layers.1.mlp.up_proj.lora_A.weight: found an adapter, expected none here',
    ],
    [
      'an adapter on what is no linear',
      (tensors) => moveTensor(tensors, `${LAYER}.mlp.up_proj.lora_A.weight`, 'llm.model.norm.lora_A.weight'),
      'llm.model.norm.lora_A.weight: found a tensor that no part of the model takes',
    ],
    [
      'an adapter of another rank',
      (tensors) => {
        const [a, b] = [`${LAYER}.mlp.up_proj.lora_A.weight`, `${LAYER}.mlp.up_proj.lora_B.weight`];
        tensors.set(a, { ...need(tensors, a), shape: [4, 64], bytes: need(tensors, a).bytes.slice(0, 4 * 64 * 2) });
        tensors.set(b, { ...need(tensors, b), shape: [96, 4], bytes: need(tensors, b).bytes.slice(0, 4 * 96 * 2) });
      },
      "found rank 4, expected config.json's lora.r 8",
    ],
    [
      'halves of different rank',
      (tensors) => {
        const b = `${LAYER}.mlp.up_proj.lora_B.weight`;
        tensors.set(b, { ...need(tensors, b), shape: [96, 4], bytes: need(tensors, b).bytes.slice(0, 4 * 96 * 2) });
      },
      'lora_B.weight: found [96, 4], expected [96, 8]',
    ],
    [
      'the vision embedding incomplete',
      (tensors) => tensors.delete('vision_embedding.pos_embed'),
      'vision_embedding.pos_embed: found nothing, expected [1, 16, 80]',
    ],
  ])('%s', async (_name, change, message) => {
    const checkpoint = await changedCheckpoint(change);
    expect(await refused(1, checkpoint)).toContain(message);
  });

  it('names with another prefix, which it does not take for adapters without a base', async () => {
    const checkpoint = await changedCheckpoint((tensors) => {
      const names = [...tensors.keys()];
      names.forEach((name) => moveTensor(tensors, name, `model.${name}`));
    });
    expect(await refused(1, checkpoint)).toMatch(/: model\.\S+: found a tensor that no part of the model takes/);
  });

  it('names of which only some are nested', async () => {
    const checkpoint = await changedCheckpoint((tensors) => {
      moveTensor(tensors, 'llm.model.norm.weight', 'module.llm.model.norm.weight');
    });
    expect(await refused(1, checkpoint)).toContain('module.llm.model.norm.weight: found a tensor that no part');
  });

  it('all at once, the first eight by name', async () => {
    const checkpoint = await changedCheckpoint((tensors) => {
      for (const name of [...tensors.keys()].filter((key) => key.startsWith('llm.model.layers.1'))) {
        tensors.delete(name);
      }
    });
    expect((await refused(1, checkpoint)).trim().split('\n')).toHaveLength(10);
  });
});

describe.each(['1', '2'])('values that the result cannot hold, on %s threads', (threads) => {
  it.each<[string, string, string, number, string]>([
    ['NaN in an adapter', `${LAYER}.mlp.up_proj.lora_B.weight`, 'f32', 0x7fc0, 'found NaN, expected what F32 can hold'],
    ['infinity in a weight', 'llm.model.norm.weight', 'f32', 0x7f80, 'found Infinity, expected what F32 can hold'],
    ['65536 in f16', 'llm.model.norm.weight', 'f16', 0x4780, 'found 65536, expected what F16 can hold'],
    ['65536 merged to f16', `${LAYER}.mlp.up_proj.weight`, 'f16', 0xc780, 'expected what F16 can hold'],
    ['NaN merged to bf16', `${LAYER}.mlp.up_proj.weight`, 'bf16', 0xffff, 'found NaN, expected what BF16 can hold'],
    ['infinity merged to f32', `${LAYER}.mlp.up_proj.weight`, 'f32', 0xff80, 'found -Infinity, expected what F32'],
  ])('%s', async (_name, tensor, dtype, half, message) => {
    const checkpoint = await changedCheckpoint((tensors) => {
      need(tensors, tensor).bytes.set([half & 0xff, half >> 8]);
    });
    const out = join(await tempFolder(), 'merged');
    const options = ['--dtype', dtype, '--threads', threads];
    const { code, stderr } = await runInProcess('merge', checkpoint, '--out', out, ...options);
    expect(stderr).toContain(`model.safetensors: tensor ${tensor}: found`);
    expect(stderr).toContain(message);
    expect({ code, finished: existsSync(out) }).toEqual({ code: 1, finished: false });
  });

  it('are told by the name of the first of two tensors', async () => {
    const checkpoint = await changedCheckpoint((tensors) => {
      for (const module of ['self_attn.q_proj', 'mlp.gate_proj']) {
        need(tensors, `${LAYER}.${module}.lora_A.weight`).bytes.set([0xc0, 0x7f]);
      }
    });
    const out = join(await tempFolder(), 'merged');
    const { stderr } = await runInProcess('merge', checkpoint, '--out', out, '--threads', threads);
    expect(stderr).toContain(`tensor ${LAYER}.mlp.gate_proj.lora_A.weight: found NaN`);
  });

  it('but the largest number of f16 is one', async () => {
    const checkpoint = await changedCheckpoint((tensors) => {
      need(tensors, 'llm.model.norm.weight').bytes.set([0x7f, 0x47]);
    });
    const out = join(await tempFolder(), 'merged');
    expect((await runInProcess('merge', checkpoint, '--out', out, '--dtype', 'f16')).code).toBe(0);
  });
});

describe('base and adapters', () => {
  it('adapters without a base', async () => {
    const checkpoint = await copyOf(ADAPTER);
    await writeFile(join(checkpoint, 'tokenizer.json'), '{}');
    await writeFile(join(checkpoint, 'generation_config.json'), '{"eos_token_id": 1}');
    expect(await refused(1, checkpoint)).toContain('give the model it was trained on with --base');
  });

  it('a base beside base weights of its own', async () => {
    expect(await refused(1, VORA_RANDOM, '--base', BASE)).toContain(
      'holds 51 base weights of its own; leave --base out',
    );
  });

  it('a base of another size', async () => {
    const base = await copyOf(BASE);
    await changeJson(join(base, 'config.json'), (config) => (config['rms_norm_eps'] = 1e-5));
    expect(await refused(1, ADAPTER, '--base', base)).toContain(
      "rmsNormEps: found 0.00001, expected 0.000001 as in the checkpoint's config.json; is this the base",
    );
  });

  it('a base that is none', async () => {
    expect(await refused(1, ADAPTER, '--base', await tempFolder())).toContain('config.json: found nothing');
  });
});

describe('folders and files', () => {
  it('a path with nothing', async () => {
    expect(await refused(1, 'nowhere')).toBe('error: nowhere: found no folder, expected a VoRA checkpoint folder\n');
  });

  it('a folder without tokenizer', async () => {
    const checkpoint = await copyOf(VORA_AUX);
    await rm(join(checkpoint, 'tokenizer.json'));
    expect(await refused(1, checkpoint)).toContain('found no tokenizer.json, expected one beside the weights');
  });

  it.each<[string, (config: Record<string, unknown>) => void, string]>([
    ['a field missing', (config) => delete config['hidden_size'], 'config.json: hidden_size: found nothing'],
    ['a field of the wrong type', (config) => (config['patch_size'] = '14'), 'config.json: patch_size: found "14"'],
    ['an embedding we lack', (config) => (config['vision_embedding'] = 'CLIP'), 'vision_embedding: found "CLIP"'],
    ['patches that do not fit', (config) => (config['image_size'] = 57), 'image_size: found 57, expected a multiple'],
    ['scaled RoPE', (config) => (config['rope_scaling'] = { type: 'yarn' }), 'rope_scaling.type: found "yarn"'],
    ['no RoPE base', (config) => delete config['rope_theta'], 'rope_theta: found nothing'],
    ['two RoPE bases', (config) => (config['rope_parameters'] = { rope_theta: 5 }), 'rope_theta: found 1000000'],
    ['windows', (config) => (config['layer_types'] = ['sliding_attention']), 'layer_types'],
    ['countless blocks', (config) => (config['num_hidden_layers'] = 1e8), 'num_hidden_layers: found 100000000'],
    ['countless positions', (config) => (config['max_position_embeddings'] = 1e15), 'max_position_embeddings: found 1'],
    ['countless tokens', (config) => (config['vocab_size'] = 2 ** 40), 'vocab_size: found 1099511627776'],
    ['heads that do not divide', (config) => (config['num_attention_heads'] = 3), 'num_attention_heads: found 3'],
    ['more adapted layers than layers', (config) => (config['lora'] = { layers: 9, r: 1, target_modules: ['x'] }), '9'],
    ['broken adapters', (config) => (config['lora'] = { r: 8 }), 'lora.target_modules: found nothing'],
  ])('a config with %s', async (_name, change, message) => {
    const checkpoint = await copyOf(VORA_AUX);
    await changeJson(join(checkpoint, 'config.json'), change);
    expect(await refused(1, checkpoint)).toContain(message);
  });

  it('a plain model with nothing to add to it', async () => {
    expect(await refused(1, BASE)).toContain('found a plain model alone, expected --adapter');
  });

  it('an end token that the model cannot say', async () => {
    const checkpoint = await copyOf(VORA_AUX);
    await changeJson(join(checkpoint, 'generation_config.json'), (config) => (config['eos_token_id'] = 151_645));
    expect(await refused(1, checkpoint)).toContain('eos_token_id: found 151645, expected less than vocab_size');
  });

  it('a key given twice in config.json', async () => {
    const checkpoint = await copyOf(VORA_AUX);
    const path = join(checkpoint, 'config.json');
    await writeFile(path, (await readFile(path, 'utf8')).replace('{', '{"patch_size": 16,'));
    expect(await refused(1, checkpoint)).toContain('"patch_size": found the key twice');
  });

  it('pixels the model was not trained on', async () => {
    const checkpoint = await copyOf(VORA_AUX);
    await changeJson(join(checkpoint, 'preprocessor_config.json'), (config) => (config['resample'] = 2));
    expect(await refused(1, checkpoint)).toContain('resample: found 2, expected 3, bicubic');
  });

  it('pixel bounds that no image can meet', async () => {
    const bounds = ['--image-mode', 'native', '--min-pixels', '90000', '--max-pixels', '500'];
    expect(await refused(1, VORA_AUX, ...bounds)).toContain('found 90000 as least and 500 as most pixels');
  });

  it('more patches of an image than are taken', async () => {
    const bounds = ['--image-mode', 'by-detail', '--max-pixels', String(14 * 14 * 4000 + 1)];
    expect(await refused(1, VORA_AUX, ...bounds)).toContain(
      'found 784001 as most pixels of an image, expected at most',
    );
  });

  it('pixel bounds where images have one size', async () => {
    expect(await refused(1, VORA_AUX, '--min-pixels', '90000')).toContain(
      'expected --image-mode native or by-detail with them',
    );
  });

  it('a truncated file', async () => {
    const checkpoint = await copyOf(VORA_AUX);
    await truncate(join(checkpoint, 'model.safetensors'), 400_000);
    expect(await refused(1, checkpoint)).toContain('model.safetensors: end of file: found 400000 bytes');
  });

  it('memory for less than a row', async () => {
    expect(await refused(1, VORA_RANDOM, '--memory', '10KB')).toContain(
      'one row needs --memory 28.2 kB, found 10.0 kB',
    );
  });
});
