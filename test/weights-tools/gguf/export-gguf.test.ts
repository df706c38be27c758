import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gguf } from '@huggingface/gguf';
import type { Llama } from 'node-llama-cpp';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { manifestSchema } from '../../../src/core/model/manifest.ts';
import { vora } from '../../support/build-artifacts.ts';
import { goldenPrompts } from '../../support/golden-prompts.ts';
import { runInProcess } from '../../support/run-cli.ts';
import { argmax, cosine } from '../export/compare-logits.ts';
import { readGoldenPrompts } from '../export/golden-prompts.ts';
import { tensorTypes, writeDequantized } from './dequantized.ts';
import { type LlamaModel, openGguf, startLlama } from './llama-cpp.ts';
import { smallModel, writeRandomMerged } from './random-merged.ts';

const TYPES = ['f16', 'bf16', 'q8_0', 'q4_0', 'q4_k_m'];
const ANSWER_TOKENS = 24;
const QUESTION = '<|im_start|>user\nHow many birds are there?<|im_end|>\n<|im_start|>assistant\n';

let llama: Llama;
let home: string;
beforeAll(async () => {
  llama = await startLlama();
  home = await mkdtemp(join(tmpdir(), 'vora-gguf-'));
});
afterAll(async () => {
  await llama.dispose();
  await rm(home, { recursive: true, force: true });
});

/** Exports, and gives the path of the one .gguf file. */
async function exportGguf(merged: string, type: string, out: string): Promise<string> {
  const { code, stderr } = await runInProcess('export', 'gguf', merged, '--type', type, '--out', out);
  expect({ code, warned: stderr.includes('warning') }).toEqual({ code: 0, warned: false });
  return join(out, (await readdir(out)).find((name) => name.endsWith('.gguf')) ?? '');
}

async function withModel<T>(path: string, use: (model: LlamaModel) => Promise<T>): Promise<T> {
  const model = await openGguf(llama, path);
  try {
    return await use(model);
  } finally {
    await model.dispose();
  }
}

/** By how much the most likely token leads, in standard deviations of the row. */
function lead(row: Float32Array): number {
  const mean = row.reduce((sum, value) => sum + value, 0) / row.length;
  const spread = Math.sqrt(row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / row.length);
  const [first = 0, second = 0] = row.toSorted((a, b) => b - a);
  return (first - second) / spread;
}

describe('a model that sees, as f32', () => {
  let out: string;
  let path: string;
  beforeAll(async () => {
    out = join(home, 'vora-random');
    path = await exportGguf(inject('artifacts').merged, 'f32', out);
  });

  it('answers in llama.cpp as the PyTorch reference does, where there is no picture', async () => {
    const expected = await readGoldenPrompts();
    const prompts = goldenPrompts.filter(({ imageRuns }) => imageRuns.length === 0);
    expect(prompts.length).toBeGreaterThan(1);
    await withModel(path, async (model) => {
      for (const { name, ids, greedy } of prompts) {
        const { logits = new Float32Array() } = expected.find((prompt) => prompt.name === name) ?? {};
        const rows = await model.logits(ids);
        const row = rows.at(-1) ?? new Float32Array();
        expect(cosine(row, logits.subarray(-row.length)), name).toBeGreaterThan(1 - 1e-9);
        expect(await model.greedy(ids, greedy.length), name).toEqual(greedy);
      }
    });
  });

  it('cuts every text into the tokens of the reference, once it is in normal form', async () => {
    await withModel(path, async (model) => {
      for (const { rendered, ids } of goldenPrompts) {
        // llama.cpp has no normalizer; Hugging Face's Qwen tokenizers compose accents first.
        const pieces = rendered.split('<image>').map((text) => model.tokenize(text.normalize('NFC')));
        expect(pieces.flatMap((piece, i) => (i === 0 ? piece : [-200, ...piece]))).toEqual(ids);
      }
      return Promise.resolve();
    });
  });

  it('says that it is text only, and ships the vision embedding beside it', async () => {
    const manifest = manifestSchema.parse(JSON.parse(await readFile(join(out, 'vora.json'), 'utf8')));
    const source = manifestSchema.parse(
      JSON.parse(await readFile(join(inject('artifacts').merged, 'vora.json'), 'utf8')),
    );
    expect(manifest).toMatchObject({ kind: 'gguf', weights: 'f32', llm: source.llm, vision: source.vision });
    const files = manifest.artifacts.map(({ path: file }) => file);
    expect(files).toEqual(['vision/config.json', 'vision/embedding.safetensors', 'vora-random-F32.gguf']);
    expect(manifest.artifacts[1]?.sha256).toBe(source.vision?.sha256);
    await withModel(path, (model) => {
      expect(model.metadata('general.description')).toMatch(/^Text only: .*vision\/ beside this file/);
      expect(model.metadata('general.tags')).toContain('text-only');
      expect(model.metadata('vora.vision.sha256')).toBe(source.vision?.sha256);
      return Promise.resolve();
    });
  });

  it('is read by a second reader with the same fields, types and shapes', async () => {
    const { metadata, tensorInfos } = await gguf(path, { allowLocalFile: true });
    const { llm } = manifestSchema.parse(JSON.parse(await readFile(join(out, 'vora.json'), 'utf8')));
    const tokenizer = JSON.parse(await readFile('models/vora-random/tokenizer.json', 'utf8')) as {
      added_tokens: { id: number; content: string; special: boolean }[];
      model: { vocab: Record<string, number>; merges: [string, string][] };
    };
    const config = JSON.parse(await readFile('models/vora-random/tokenizer_config.json', 'utf8')) as {
      chat_template: string;
    };
    expect(metadata).toMatchObject({
      version: 3,
      'general.architecture': 'qwen2',
      'general.file_type': 0,
      'qwen2.block_count': llm.layers,
      'qwen2.attention.head_count_kv': llm.kvHeads,
      'tokenizer.ggml.pre': 'qwen2',
      'tokenizer.ggml.eos_token_id': llm.eosTokenIds[0],
      'tokenizer.chat_template': config.chat_template,
      'tokenizer.ggml.merges': tokenizer.model.merges.map((pair) => pair.join(' ')),
    });
    const tokens = Reflect.get(metadata, 'tokenizer.ggml.tokens') as string[];
    const types = Reflect.get(metadata, 'tokenizer.ggml.token_type') as number[];
    expect([tokens.length, types.length]).toEqual([llm.vocabSize, llm.vocabSize]);
    for (const [token, id] of Object.entries(tokenizer.model.vocab)) {
      expect([tokens[id], types[id]]).toEqual([token, 1]);
    }
    for (const { id, content, special } of tokenizer.added_tokens) {
      expect([tokens[id], types[id]]).toEqual([content, special ? 3 : 4]);
    }
    const unused = tokens.map((token, id) => ({ token, id })).filter((_, id) => types[id] === 5);
    expect(unused.every(({ token, id }) => token === `[PAD${id}]`)).toBe(true);
    expect(tensorInfos.find(({ name }) => name === 'blk.0.ffn_down.weight')?.shape).toEqual([
      BigInt(llm.intermediateSize),
      BigInt(llm.hiddenSize),
    ]);
    expect(tensorInfos).toHaveLength(2 + 12 * llm.layers + 1);
  });
});

describe('the demo model', () => {
  let merged: string;
  beforeAll(async () => {
    merged = join(home, 'vora-tiny');
    await vora(
      'merge',
      'models/vora-tiny/adapter',
      '--base',
      'models/vora-tiny/base',
      '--dtype',
      'f32',
      '--out',
      merged,
    );
  });

  it.each(TYPES)('answers in llama.cpp as %s, token for token as its dequantized weights do', async (type) => {
    const path = await exportGguf(merged, type, `${merged}-${type}`);
    const plain = `${merged}-${type}.dequantized.gguf`;
    await writeDequantized(path, plain);
    await withModel(path, async (quantized) => {
      await withModel(plain, async (reference) => {
        // What the model knows: where it guesses, two tokens are as likely, and llama.cpp's own int8 activations decide.
        for (const question of ['Repeat HARBOR', 'Repeat 8104035', 'Repeat 05/03', 'Repeat $4.95']) {
          const ids = reference.tokenize(QUESTION.replace(/How.*\?/, question));
          expect(await quantized.greedy(ids, ANSWER_TOKENS)).toEqual(await reference.greedy(ids, ANSWER_TOKENS));
        }
      });
    });
  });
});

const QWEN2 = smallModel({ architecture: 'qwen2', hiddenSize: 256, layers: 3, headDim: 64, biases: ['q', 'k', 'v'] });
const QWEN3 = smallModel({ architecture: 'qwen3', hiddenSize: 256, layers: 2, headDim: 128, biases: [] });
const LLAMA = smallModel({
  architecture: 'llama',
  hiddenSize: 512,
  layers: 1,
  headDim: 128,
  biases: ['q', 'k', 'v', 'o', 'gate', 'up', 'down'],
  tieWordEmbeddings: true,
  ropeScaling: { type: 'llama3', factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalMaxPositions: 64 },
});
const MISTRAL = smallModel({ architecture: 'mistral', hiddenSize: 224, layers: 2, headDim: 56, biases: [] });

const RANDOM = [
  { llm: QWEN2, type: 'q8_0', types: ['F32', 'Q8_0'] },
  { llm: QWEN2, type: 'q4_0', types: ['F32', 'Q4_0', 'Q6_K'] },
  { llm: QWEN2, type: 'q4_k_m', types: ['F32', 'Q4_K', 'Q6_K'] },
  { llm: QWEN3, type: 'q4_k_m', types: ['F32', 'Q4_K', 'Q6_K'] },
  { llm: LLAMA, type: 'q4_k_m', types: ['F32', 'Q4_K', 'Q6_K'] },
  { llm: MISTRAL, type: 'q4_k_m', types: ['F32', 'Q5_0', 'Q8_0'] },
];

describe('a random model', () => {
  it.each(RANDOM)(
    '$llm.architecture runs in llama.cpp as its dequantized $type weights do',
    async ({ llm, type, types }) => {
      const merged = join(home, llm.architecture);
      if (!(await readdir(home)).includes(llm.architecture)) {
        await writeRandomMerged(merged, llm);
      }
      const path = await exportGguf(merged, type, `${merged}-${type}`);
      const plain = `${merged}-${type}.dequantized.gguf`;
      await writeDequantized(path, plain);
      await withModel(path, async (quantized) => {
        await withModel(plain, async (reference) => {
          const prompt = reference.tokenize(QUESTION);
          const ids = [...prompt, ...(await reference.greedy(prompt, ANSWER_TOKENS))];
          const expected = await reference.logits(ids);
          const found = await quantized.logits(ids);
          // llama.cpp rounds activations to 8 bits beside quantized weights, which decides between tokens that tie.
          const clear = expected.flatMap((row, i) => (lead(row) > 0.1 ? [i] : []));
          expect(clear.length).toBeGreaterThan(0.6 * ids.length);
          const best = (rows: Float32Array[]): number[] => clear.map((i) => argmax(rows[i] ?? new Float32Array()));
          expect(best(found)).toEqual(best(expected));
          const similar = expected.map((row, i) => cosine(row, found[i] ?? new Float32Array()));
          expect(Math.min(...similar)).toBeGreaterThan(0.999);
        });
      });
      const found = await tensorTypes(path);
      expect([...new Set(found.values())].sort()).toEqual(types);
      expect(found.get(llm.tieWordEmbeddings ? 'token_embd.weight' : 'output.weight')).toBe(types.at(-1));
    },
  );
});
