import { access, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { type LlmFacts, manifestSchema } from '../../../src/core/model/manifest.ts';
import { llmShapes } from '../../../src/core/model/tensor-names.ts';
import { beginArtifactFolder } from '../../../weights-tools/artifact-folder.ts';
import { openCheckpoint } from '../../../weights-tools/checkpoint.ts';
import { planVllm, type VllmPlan } from '../../../weights-tools/export/vllm-plan.ts';
import { type VllmGroupSize, vllmScheme, type VllmSchemeName } from '../../../weights-tools/export/vllm-scheme.ts';
import { writeVllm } from '../../../weights-tools/export/write-vllm.ts';
import type { WeightRows } from '../../../weights-tools/weight-rows.ts';
import { readTensors, tempFolder, VORA_RANDOM } from '../../support/checkpoint-folder.ts';
import { runInProcess } from '../../support/run-cli.ts';

const { merged } = inject('artifacts');

async function filesOf(folder: string): Promise<Map<string, string>> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile() && entry.name !== 'vora.json');
  const paths = files.map(({ parentPath, name }) => join(parentPath, name));
  return new Map(
    await Promise.all(
      paths.sort().map(async (path) => [path.slice(folder.length), await readFile(path, 'latin1')] as const),
    ),
  );
}

const SCHEMES = ['W4A16', 'W8A16', 'W8A8', 'FP8_DYNAMIC'] as const;

describe('vora export vllm', () => {
  it.each(SCHEMES)('writes the same %s from a merged folder, in one pass, and row by row', async (scheme) => {
    const folder = await tempFolder();
    const [twoSteps, onePass, smallBuffer] = ['a', 'b', 'c'].map((name) => join(folder, name));
    const run = async (from: string, out = '', ...options: string[]): Promise<void> => {
      const result = await runInProcess('export', 'vllm', from, '--scheme', scheme, '--out', out, ...options);
      expect({ code: result.code, warned: result.stderr.includes('warning') }).toEqual({ code: 0, warned: false });
    };
    await run(merged, twoSteps);
    await run(VORA_RANDOM, onePass);
    await run(merged, smallBuffer, '--memory', '4KiB');
    const expected = await filesOf(twoSteps ?? '');
    expect([...expected.keys()]).toEqual([
      '/config.json',
      '/generation_config.json',
      '/model.safetensors',
      '/tokenizer.json',
      '/tokenizer_config.json',
      '/vision/config.json',
      '/vision/embedding.safetensors',
    ]);
    expect(await filesOf(onePass ?? '')).toEqual(expected);
    expect(await filesOf(smallBuffer ?? '')).toEqual(expected);
    const source = await filesOf(merged);
    for (const name of ['/vision/config.json', '/vision/embedding.safetensors', '/tokenizer.json']) {
      expect(expected.get(name)).toBe(source.get(name));
    }
  });

  it('says in its manifest what it is and what it was made from', async () => {
    const out = join(await tempFolder(), 'vllm');
    await runInProcess('export', 'vllm', merged, '--group-size', '64', '--out', out);
    const read = async (folder: string) =>
      manifestSchema.parse(JSON.parse(await readFile(join(folder, 'vora.json'), 'utf8')));
    const [manifest, source] = [await read(out), await read(merged)];
    expect(manifest).toMatchObject({ kind: 'vllm', weights: 'W4A16-g64', llm: source.llm, vision: source.vision });
    expect(manifest.provenance.inputs.slice(1)).toEqual(source.artifacts);
  });

  it('prints its plan and writes nothing with --dry-run', async () => {
    const out = join(await tempFolder(), 'vllm');
    const { code, stdout } = await runInProcess('export', 'vllm', merged, '--out', out, '--dry-run');
    expect(code).toBe(0);
    expect(stdout).toMatch(/28 linears as W4A16-g128, 23 tensors as bf16, .* in one file/);
    await expect(access(out)).rejects.toThrow('ENOENT');
  });

  it.each([
    { options: ['--memory', '100'], code: 1, message: /one row needs .* B, --memory allows 100 B/ },
    { options: ['--group-size', '48'], code: 2, message: /Expected one of 32, 64, 128, channel/ },
    { options: ['--scheme', 'W3A16'], code: 2, message: /Allowed choices are W4A16, W8A16, W8A8, FP8_DYNAMIC/ },
    { options: ['--scheme', 'W8A8', '--group-size', '64'], code: 1, message: /--group-size: found 64 with W8A8/ },
  ])('refuses $options', async ({ options, code, message }) => {
    const out = join(await tempFolder(), 'vllm');
    const result = await runInProcess('export', 'vllm', merged, '--out', out, ...options);
    expect(result.stderr).toMatch(message);
    expect(result.code).toBe(code);
    await expect(access(out)).rejects.toThrow('ENOENT');
  });
});

const QWEN_7B: LlmFacts = {
  architecture: 'qwen2',
  hiddenSize: 3584,
  layers: 28,
  attentionHeads: 28,
  kvHeads: 4,
  headDim: 128,
  intermediateSize: 18944,
  vocabSize: 152064,
  maxPositions: 32768,
  ropeTheta: 1e6,
  ropeScaling: null,
  biases: ['q', 'k', 'v'],
  rmsNormEps: 1e-6,
  tieWordEmbeddings: false,
  eosTokenIds: [151645],
};

function plan(
  llm: LlmFacts,
  scheme: VllmSchemeName,
  groupSize: VllmGroupSize = 128,
  shardBytes?: number,
  read = (out: Float32Array): void => void out.fill(0.5),
): VllmPlan {
  const weights = new Map<string, WeightRows>(
    [...llmShapes(llm)].map(([name, shape]) => [
      name,
      { name, shape, scratchFloats: () => 0, read: (_, out) => Promise.resolve(read(out)) },
    ]),
  );
  const shards = shardBytes === undefined ? {} : { shardBytes };
  return planVllm(llm, weights, { scheme: vllmScheme(scheme, groupSize), memoryBytes: 1e9, ...shards });
}

describe('planVllm', () => {
  it.each([
    { scheme: 'W4A16', bytes: 5.55e9 },
    { scheme: 'W8A16', bytes: 8.81e9 },
    { scheme: 'W8A8', bytes: 8.71e9 },
    { scheme: 'FP8_DYNAMIC', bytes: 8.71e9 },
  ] as const)('places $scheme of a 7B model in shards of at most 5 GB', ({ scheme, bytes }) => {
    const { shards, outputBytes } = plan(QWEN_7B, scheme);
    expect(Math.abs(outputBytes / bytes - 1)).toBeLessThan(0.01);
    expect(shards.map(({ file }) => file)).toEqual([
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
    ]);
    expect(Math.max(...shards.map(({ layout }) => layout.byteLength))).toBeLessThan(5.001e9);
  });

  it('refuses rows that do not fall into groups, by name, and says what would do', () => {
    const odd = { ...QWEN_7B, intermediateSize: 18948 };
    expect(() => plan(odd, 'W4A16', 64)).toThrow(
      /tensor model\.layers\.0\.mlp\.down_proj\.weight: found 18948 columns, expected a multiple of the group size 64: take a smaller --group-size, or channel/,
    );
    expect(() => plan(odd, 'W4A16', 'channel')).not.toThrow();
    expect(() => plan(odd, 'FP8_DYNAMIC')).not.toThrow();
  });

  it('refuses a value that bf16 cannot hold, by name', async () => {
    const small = { ...QWEN_7B, hiddenSize: 128, layers: 1, attentionHeads: 4, kvHeads: 2, headDim: 32 };
    const llm = { ...small, intermediateSize: 256, vocabSize: 64 };
    const planned = plan(llm, 'W4A16', 32, undefined, (out) => void out.fill(3.4e38));
    const folder = await beginArtifactFolder(join(await tempFolder(), 'vllm'));
    const options = { progress: { advance: () => undefined }, signal: new AbortController().signal };
    await expect(writeVllm(planned, folder, options)).rejects.toThrow(
      /tensor model\.embed_tokens\.weight: found 3\.3\d+e\+38, expected what BF16 can hold/,
    );
  });

  it('is written as shards with an index that a reader finds whole', async () => {
    const small = { ...QWEN_7B, hiddenSize: 128, layers: 3, attentionHeads: 4, kvHeads: 2, headDim: 32 };
    const llm = { ...small, intermediateSize: 256, vocabSize: 64 };
    const planned = plan(llm, 'W4A16', 32, 100_000);
    expect(planned.shards.length).toBeGreaterThan(3);
    const folder = await beginArtifactFolder(join(await tempFolder(), 'vllm'));
    const progress = { advance: () => undefined };
    await writeVllm(planned, folder, { progress, signal: new AbortController().signal });
    const checkpoint = await openCheckpoint(folder.path);
    await checkpoint.close();
    expect(checkpoint.files).toHaveLength(1 + planned.shards.length);
    const tensors = await readTensors(folder.path);
    expect(tensors.get('model.layers.2.mlp.down_proj.weight_packed')?.shape).toEqual([128, 32]);
    const index = JSON.parse(await readFile(join(folder.path, 'model.safetensors.index.json'), 'utf8')) as {
      metadata: { total_size: number };
    };
    expect(index.metadata.total_size).toBe([...tensors.values()].reduce((sum, { bytes }) => sum + bytes.length, 0));
  });
});
