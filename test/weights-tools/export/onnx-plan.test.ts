import { describe, expect, it } from 'vitest';
import type { LlmFacts } from '../../../src/core/model/manifest.ts';
import { EMBED_TOKENS, llmShapes, LM_HEAD } from '../../../src/core/model/tensor-names.ts';
import { COS_CACHE, SIN_CACHE } from '../../../weights-tools/onnx/decoder-graph.ts';
import type { WeightRows } from '../../../weights-tools/weight-rows.ts';
import { describePlan, type OnnxPlan, planOnnx, type WeightFormat } from '../../../weights-tools/export/onnx-plan.ts';

const QWEN_7B: LlmFacts = {
  architecture: 'qwen2',
  hiddenSize: 3584,
  layers: 28,
  attentionHeads: 28,
  kvHeads: 4,
  headDim: 128,
  intermediateSize: 18944,
  vocabSize: 152064,
  maxPositions: 4096,
  ropeTheta: 1e6,
  ropeScaling: null,
  biases: ['q', 'k', 'v'],
  rmsNormEps: 1e-6,
  tieWordEmbeddings: false,
  eosTokenIds: [151645],
};

/** No checkpoint holds them. */
const ROPES: readonly string[] = [COS_CACHE, SIN_CACHE];

function weightsOf(llm: LlmFacts): Map<string, WeightRows> {
  const read = (): Promise<void> => Promise.reject(new Error('a plan reads no weights'));
  return new Map([...llmShapes(llm)].map(([name, shape]) => [name, { name, shape, scratchFloats: () => 0, read }]));
}

function plan(llm: LlmFacts, weights: WeightFormat, memoryBytes = 1e9): OnnxPlan {
  const encoding = { weights, groupSize: 32, symmetric: true, clip: 'mse' } as const;
  return planOnnx(llm, weightsOf(llm), { encoding, memoryBytes });
}

describe('planOnnx at 7B', () => {
  it.each([
    { weights: 'f32', decoderBytes: 28.3e9, embeddingBytes: 2.18e9 },
    { weights: 'int8', decoderBytes: 7.96e9, embeddingBytes: 0.613e9 },
    { weights: 'int4', decoderBytes: 4.69e9, embeddingBytes: 0.613e9 },
  ] as const)('places $weights', ({ weights, decoderBytes, embeddingBytes }) => {
    const [decoder, embedTokens] = plan(QWEN_7B, weights).dataFiles;
    expect(Math.abs((decoder?.layout.byteLength ?? 0) / decoderBytes - 1)).toBeLessThan(0.01);
    expect(Math.abs((embedTokens?.layout.byteLength ?? 0) / embeddingBytes - 1)).toBeLessThan(0.01);
  });

  it('bounds its buffer by the memory it was given', () => {
    expect(4 * plan(QWEN_7B, 'int4', 10e6).bufferFloats).toBeLessThan(10e6);
    expect(4 * plan(QWEN_7B, 'f32', 10e6).bufferFloats).toBeGreaterThan(9e6);
    expect(describePlan(plan(QWEN_7B, 'f32'))).toMatch(/through a buffer of 67\.\d MB/);
  });

  it('bounds RoPE tables of a million positions as well', () => {
    const { dataFiles } = plan({ ...QWEN_7B, maxPositions: 1e6 }, 'int4', 10e6);
    const ropes = dataFiles.flatMap(({ jobs }) => jobs.filter(({ name }) => ROPES.includes(name)));
    expect(ropes.map(({ rows, rowsPerBlock, columns }) => [rows, 4 * rowsPerBlock * columns])).toEqual([
      [1e6, 9_999_872],
      [1e6, 9_999_872],
    ]);
  });

  it('takes every tensor of the model once', () => {
    const names = plan(QWEN_7B, 'int4').dataFiles.flatMap(({ jobs }) => jobs.map(({ from }) => from.name));
    expect(names.toSorted()).toEqual([...llmShapes(QWEN_7B).keys(), ...ROPES].toSorted());
  });

  it.each(['f32', 'int4'] as const)('stores tied embeddings once, as %s, for both graphs', (weights) => {
    const { dataFiles, graphs } = plan({ ...QWEN_7B, tieWordEmbeddings: true }, weights);
    expect(dataFiles).toHaveLength(1);
    expect(dataFiles[0]?.jobs.find(({ name }) => name === LM_HEAD)?.from.name).toBe(EMBED_TOKENS);
    expect(dataFiles[0]?.jobs.some(({ name }) => name === EMBED_TOKENS)).toBe(false);
    expect(graphs.map(({ file, layout }) => [file, layout.file])).toEqual([
      ['decoder.onnx', 'decoder.onnx.data'],
      ['embed_tokens.onnx', 'decoder.onnx.data'],
    ]);
  });
});
