import { access, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { manifestSchema } from '../../../src/core/model/manifest.ts';
import { digestFile } from '../../../weights-tools/digest.ts';
import { copyOf, readTensors, tempFolder, writeTensors } from '../../support/checkpoint-folder.ts';
import { runInProcess } from '../../support/run-cli.ts';
import { smallModel, writeRandomMerged } from './random-merged.ts';

const SMALL = { hiddenSize: 64, layers: 1, headDim: 16 } as const;

/** A merged folder of text only that the test may damage. */
async function merged(facts: Partial<Parameters<typeof smallModel>[0]> = {}): Promise<string> {
  const folder = join(await tempFolder(), 'merged');
  await writeRandomMerged(folder, smallModel({ architecture: 'llama', biases: [], ...SMALL, ...facts }));
  return folder;
}

/** Changes a file and brings the manifest up to date with it, as a program that knows nothing of llama.cpp would. */
async function edit(folder: string, file: string, change: (text: string) => string): Promise<void> {
  await writeFile(join(folder, file), change(await readFile(join(folder, file), 'utf8')));
  await relist(folder, file);
}

async function relist(folder: string, file: string): Promise<void> {
  const manifest = manifestSchema.parse(JSON.parse(await readFile(join(folder, 'vora.json'), 'utf8')));
  const digest = await digestFile(join(folder, file));
  const artifacts = manifest.artifacts.map((old) => (old.path === file ? { path: file, ...digest } : old));
  await writeFile(join(folder, 'vora.json'), JSON.stringify({ ...manifest, artifacts }));
}

type Json = Record<string, unknown>;
const editTokenizer = (folder: string, change: (tokenizer: Json & { model: Json }) => void): Promise<void> =>
  edit(folder, 'tokenizer.json', (text) => {
    const tokenizer = JSON.parse(text) as Json & { model: Json };
    change(tokenizer);
    return JSON.stringify(tokenizer);
  });

interface Fault {
  name: string;
  facts?: Parameters<typeof merged>[0];
  damage?: (folder: string) => Promise<unknown>;
  options?: string[];
  message: RegExp;
}

const FAULTS: Fault[] = [
  {
    name: 'a pre-tokenizer that llama.cpp does not know',
    damage: (folder) => edit(folder, 'tokenizer.json', (text) => text.replace('|\\\\p{N}|', '|\\\\p{N}{1,2}|')),
    message: /tokenizer\.json: pre_tokenizer: found .*, expected the split pattern of llama\.cpp's qwen2 or llama-bpe/,
  },
  {
    name: 'a tokenizer of SentencePiece',
    damage: (folder) =>
      editTokenizer(folder, (tokenizer) => {
        Object.assign(tokenizer, { normalizer: { type: 'Prepend', prepend: '▁' } });
      }),
    message: /tokenizer\.json: normalizer\.type: found "Prepend", expected NFC or none/,
  },
  {
    name: 'a Unigram model',
    damage: (folder) => editTokenizer(folder, ({ model }) => Object.assign(model, { type: 'Unigram' })),
    message: /tokenizer\.json: model\.type: found "Unigram", expected "BPE"/,
  },
  {
    name: 'byte fallback',
    damage: (folder) => editTokenizer(folder, ({ model }) => Object.assign(model, { byte_fallback: true })),
    message: /tokenizer\.json: model\.byte_fallback: found true, expected false/,
  },
  {
    name: 'Llama 3 digits without its whole words',
    damage: (folder) => edit(folder, 'tokenizer.json', (text) => text.replace('|\\\\p{N}|', '|\\\\p{N}{1,3}|')),
    message: /tokenizer\.json: model\.ignore_merges: found false, expected true, as llama\.cpp's llama-bpe has it/,
  },
  {
    name: 'a token past the embedding',
    damage: (folder) => editTokenizer(folder, ({ model }) => Object.assign(model['vocab'] as Json, { outside: 480 })),
    message: /tokenizer\.json: token "outside": found 480, expected an id below vocab_size 480/,
  },
  {
    name: 'two tokens with one id',
    damage: (folder) => editTokenizer(folder, ({ model }) => Object.assign(model['vocab'] as Json, { again: 0 })),
    message: /tokenizer\.json: id 0: found "!" and "again", expected one token/,
  },
  {
    name: 'a token whose id is no number',
    damage: (folder) => editTokenizer(folder, ({ model }) => Object.assign(model['vocab'] as Json, { odd: '7' })),
    message: /tokenizer\.json: token "odd": found "7", expected an id/,
  },
  {
    name: 'a BOS before every prompt that is no token',
    damage: async (folder) => {
      await edit(folder, 'tokenizer_config.json', (text) => text.replace('{', '{"add_bos_token": true,'));
      await edit(folder, 'config.json', (text) => text.replace('"bos_token_id": 469', '"bos_token_id": null'));
    },
    message: /tokenizer_config\.json: bos_token: found nothing, expected a token of tokenizer\.json/,
  },
  {
    name: 'more ends of an answer than the format has fields for',
    facts: { eosTokenIds: [471, 469, 470, 468] },
    damage: (folder) =>
      edit(folder, 'generation_config.json', (text) =>
        text.replace(/"eos_token_id": \[[^\]]*\]/, '"eos_token_id": [471, 469, 470, 468]'),
      ),
    message: /generation_config\.json: eos_token_id: found 471, 469, 470, 468, expected at most 3/,
  },
  {
    name: 'a bias that llama.cpp has none for',
    facts: { architecture: 'qwen3', biases: ['q', 'k', 'v', 'o'] },
    message: /config\.json: found a bias of o, expected none: llama\.cpp's qwen3 has none there/,
  },
  {
    name: 'heads of another width in qwen2',
    facts: { architecture: 'qwen2', biases: ['q', 'k', 'v'], headDim: 32 },
    message: /config\.json: head_dim: found 128 elements in all heads, expected hidden_size 64/,
  },
  {
    name: 'a memory bound under one row',
    options: ['--memory', '100'],
    message: /one row needs .* --memory allows 100 B/,
  },
  {
    name: 'a weight that f16 cannot hold',
    damage: async (folder) => {
      const tensors = await readTensors(join(folder, 'model.safetensors'));
      const bytes = tensors.get('model.layers.0.mlp.up_proj.weight')?.bytes ?? new Uint8Array();
      new DataView(bytes.buffer, bytes.byteOffset).setFloat32(0, 65520, true);
      await writeTensors(join(folder, 'model.safetensors'), tensors);
      await relist(folder, 'model.safetensors');
    },
    options: ['--type', 'f16'],
    message:
      /tensor model\.layers\.0\.mlp\.up_proj\.weight: found 65520, expected what F16 of blk\.0\.ffn_up\.weight can hold/,
  },
];

describe('vora export gguf refuses', () => {
  it.each(FAULTS)('$name', async ({ facts, damage, options = [], message }) => {
    const folder = await merged(facts);
    await damage?.(folder);
    const out = join(await tempFolder(), 'gguf');
    const { code, stderr } = await runInProcess('export', 'gguf', folder, '--out', out, ...options);
    expect(stderr).toMatch(message);
    expect(code).toBe(1);
    await expect(access(out)).rejects.toThrow('ENOENT');
  });

  it('a type of another name, and says which there are', async () => {
    const { code, stderr } = await runInProcess('export', 'gguf', 'unused', '--out', 'unused', '--type', 'q3_k');
    expect(stderr).toMatch(/Allowed choices are f16, bf16, f32, q8_0, q4_0, q4_k_m/);
    expect(code).toBe(2);
  });
});

describe('vora export gguf', () => {
  let source: string;
  beforeAll(() => {
    source = inject('artifacts').merged;
  });

  it('prints its plan and writes nothing with --dry-run', async () => {
    const out = join(await tempFolder(), 'gguf');
    const { code, stdout } = await runInProcess('export', 'gguf', source, '--out', out, '--dry-run');
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /vora-random-Q4_K_M\.gguf: 51 tensors \(23 Q5_0, 21 F32, 2 Q4_K, 3 Q8_0, 2 Q6_K\), 634 kB\n/,
    );
    expect(stdout).toMatch(/text only: llama\.cpp cannot see/);
    await expect(access(out)).rejects.toThrow('ENOENT');
  });

  it('warns when it quantizes what was rounded already', async () => {
    const folder = await copyOf(source);
    await edit(folder, 'vora.json', (text) => text.replace('"weights": "f32"', '"weights": "bf16"'));
    const run = (type: string): ReturnType<typeof runInProcess> =>
      runInProcess('export', 'gguf', folder, '--out', 'unused', '--type', type, '--dry-run');
    expect((await run('q4_0')).stderr).toMatch(/warning: .* was rounded to bf16 already, and q4_0 rounds it again/);
    expect((await run('bf16')).stderr).toBe('');
  });

  it('writes the same bytes through buffers of one row as through large ones', async () => {
    const wide = { hiddenSize: 256, headDim: 64, intermediateSize: 256 };
    const folder = await merged({ ...wide, biases: ['q', 'k', 'v', 'o', 'gate', 'up', 'down'] });
    const files: Buffer[] = [];
    for (const memory of ['300KB', '1GB']) {
      const out = join(await tempFolder(), 'gguf');
      expect(await runInProcess('export', 'gguf', folder, '--out', out, '--memory', memory)).toMatchObject({ code: 0 });
      const [file = ''] = (await readdir(out)).filter((name) => name.endsWith('.gguf'));
      files.push(await readFile(join(out, file)));
    }
    expect(files[0]?.equals(files[1] ?? Buffer.alloc(0))).toBe(true);
  });
});
