import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { type Manifest, manifestSchema } from '../../../src/core/model/manifest.ts';
import { decodeModel } from '../../../weights-tools/onnx/onnx-proto.ts';
import { tempFolder } from '../../support/checkpoint-folder.ts';
import { runInProcess } from '../../support/run-cli.ts';
import { argmax, cosine, klDivergence } from './compare-logits.ts';
import { type GoldenPrompt, readGoldenPrompts } from './golden-prompts.ts';
import { type OnnxModel, openOnnxModel } from './onnx-model.ts';

const { merged, onnx } = inject('artifacts');
let manifest: Manifest;
let prompts: GoldenPrompt[];
let reference: OnnxModel;

beforeAll(async () => {
  manifest = await readManifest(onnx);
  prompts = await readGoldenPrompts();
  reference = await openOnnxModel(onnx, manifest.llm);
});

async function readManifest(folder: string): Promise<Manifest> {
  return manifestSchema.parse(JSON.parse(await readFile(join(folder, 'vora.json'), 'utf8')));
}

/** The prompt and the reference's 31 first tokens, in one pass: rows of the last 32 predict all its 32 tokens. */
async function forced(model: OnnxModel, prompt: GoldenPrompt): Promise<Float32Array[]> {
  const answer = await model.embed(prompt.greedy.slice(0, -1));
  const embeds = Float32Array.from([...prompt.embeds, ...answer]);
  const length = prompt.length + prompt.greedy.length - 1;
  const mask = new Uint8Array(length * length);
  for (let query = 0; query < length; query += 1) {
    for (let key = 0; key <= query; key += 1) {
      mask[query * length + key] = 1;
    }
  }
  for (let query = 0; query < prompt.length; query += 1) {
    mask.set(prompt.mask.subarray(query * prompt.length, (query + 1) * prompt.length), query * length);
  }
  return model.forward(embeds, mask, 0);
}

describe('export onnx --weights f32', () => {
  it('gives the logits of the reference', async () => {
    for (const { name, embeds, mask, logits } of prompts) {
      const rows = logits.length / manifest.llm.vocabSize;
      const found = await reference.forward(embeds, mask, rows);
      found.forEach((row, i) => {
        const expected = logits.subarray(i * row.length, (i + 1) * row.length);
        expect(cosine(row, expected), `${name} row ${i}`).toBeGreaterThan(0.999999);
      });
    }
  });

  it('predicts the 32 tokens of the reference', async () => {
    for (const prompt of prompts) {
      const rows = (await forced(reference, prompt)).slice(-prompt.greedy.length);
      expect(rows.map(argmax), `prompt ${prompt.name}`).toEqual(prompt.greedy);
    }
  });

  it('does not with a causal mask, where there is an image', async () => {
    const prompt = prompts.find(({ name }) => name === 'one-image');
    const { length = 0, embeds = new Float32Array(), logits = new Float32Array() } = prompt ?? {};
    const causal = Uint8Array.from({ length: length * length }, (_, i) => (i % length <= i / length ? 1 : 0));
    const [row = new Float32Array()] = await reference.forward(embeds, causal, 1);
    expect(cosine(row, logits.subarray(-row.length))).toBeLessThan(0.99);
  });

  it('lists every file of the folder, and what it was made from', async () => {
    expect(manifest.kind).toBe('onnx');
    expect(manifest.weights).toBe('f32');
    expect(manifest.artifacts.map(({ path }) => path)).toEqual([
      'decoder.onnx',
      'decoder.onnx.data',
      'embed_tokens.onnx',
      'embed_tokens.onnx.data',
      'generation_config.json',
      'patch_embed.onnx',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    const source = await readManifest(merged);
    expect(manifest.vision).toEqual(source.vision);
    expect(manifest.provenance.inputs.slice(1)).toEqual(source.artifacts);
    expect(manifest.provenance.inputs[0]?.path).toBe('vora.json');
  });

  it('writes the same bytes through buffers of one row as through large ones', async () => {
    const out = join(await tempFolder(), 'onnx');
    expect(await runInProcess('export', 'onnx', merged, '--out', out, '--memory', '1KiB')).toMatchObject({ code: 0 });
    expect((await readManifest(out)).artifacts).toEqual(manifest.artifacts);
  });
});

describe.each([
  { weights: 'int8', bits: 8, cosineMin: 0.99, klMax: 0.02, agreementMin: 0.9 },
  { weights: 'int4', bits: 4, cosineMin: 0.7, klMax: 1.5, agreementMin: 0.45 },
])('export onnx --weights $weights', ({ weights, bits, cosineMin, klMax, agreementMin }) => {
  it('stays near the f32 model', async () => {
    const out = join(await tempFolder(), 'onnx');
    const { code, stderr } = await runInProcess('export', 'onnx', merged, '--weights', weights, '--out', out);
    expect({ code, warned: stderr.includes('warning') }).toEqual({ code: 0, warned: false });
    expect(await readManifest(out)).toMatchObject({ kind: 'onnx', weights: `${weights}-g32` });

    const quantized = await openOnnxModel(out, manifest.llm);
    let [divergence, rows, agreed, answered, lowest] = [0, 0, 0, 0, 1];
    for (const prompt of prompts) {
      const expected = await forced(reference, prompt);
      const found = await forced(quantized, prompt);
      found.forEach((row, i) => {
        const other = expected[i] ?? new Float32Array();
        lowest = Math.min(lowest, cosine(row, other));
        divergence += klDivergence(other, row);
      });
      rows += found.length;
      agreed += found.slice(-prompt.greedy.length).filter((row, i) => argmax(row) === prompt.greedy[i]).length;
      answered += prompt.greedy.length;
    }
    console.info(
      `export ${weights}: KL ${(divergence / rows).toFixed(4)} nats a position from f32, lowest cosine ` +
        `${lowest.toFixed(4)}, ${agreed} of ${answered} greedy tokens as the reference`,
    );
    expect(lowest).toBeGreaterThan(cosineMin);
    expect(divergence / rows).toBeLessThan(klMax);
    expect(divergence / rows).toBeGreaterThan(0);
    expect(agreed / answered).toBeGreaterThan(agreementMin);
  });

  it('stores the linears of the blocks as asked, and the head in 8 bits', async () => {
    const out = join(await tempFolder(), 'onnx');
    await runInProcess('export', 'onnx', merged, '--weights', weights, '--group-size', '64', '--out', out);
    const { node } = decodeModel(await readFile(join(out, 'decoder.onnx'))).graph;
    const stored = node
      .filter(({ opType }) => opType === 'MatMulNBits')
      .map(({ attribute }) => ['bits', 'block_size'].map((key) => attribute.find(({ name }) => name === key)?.i));
    expect(stored).toEqual([...Array.from({ length: 7 * manifest.llm.layers }, () => [bits, 64]), [8, 64]]);
  });
});
