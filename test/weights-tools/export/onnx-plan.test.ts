import { describe, expect, it } from 'vitest';
import type { LlmFacts } from '../../../src/core/model/manifest.ts';
import { EMBED_TOKENS, llmShapes, LM_HEAD } from '../../../src/core/model/tensor-names.ts';
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

function plan(llm: LlmFacts, weights: WeightFormat, memoryBytes = 1e9): OnnxPlan {
  const read = (): Promise<never> => Promise.reject(new Error('a plan reads no weights'));
  const tensors = new Map<string, WeightRows>(
    [...llmShapes(llm)].map(([name, shape]) => [name, { name, shape, scratchFloats: () => 0, read }]),
  );
  return planOnnx(llm, tensors, { weights, groupSize: 32, memoryBytes });
}

describe('planOnnx at 7B', () => {
  it.each([
    { weights: 'f32', decoderBytes: 28.3e9 },
    { weights: 'int8', decoderBytes: 7.96e9 },
    { weights: 'int4', decoderBytes: 4.69e9 },
  ] as const)('places $weights', ({ weights, decoderBytes }) => {
    const [decoder, embedTokens] = plan(QWEN_7B, weights).models;
    expect(Math.abs((decoder?.layout.byteLength ?? 0) / decoderBytes - 1)).toBeLessThan(0.01);
    expect(embedTokens?.layout.byteLength).toBe(152064 * 3584 * 4);
  });

  it('bounds its buffer by the memory it was given', () => {
    expect(4 * plan(QWEN_7B, 'int4', 10e6).bufferFloats).toBeLessThan(10e6);
    expect(4 * plan(QWEN_7B, 'f32', 10e6).bufferFloats).toBeGreaterThan(9e6);
    expect(describePlan(plan(QWEN_7B, 'f32'))).toMatch(/through a buffer of 67\.\d MB/);
  });

  it('takes every tensor of the model once', () => {
    const names = plan(QWEN_7B, 'int4').models.flatMap(({ jobs }) => jobs.map(({ from }) => from.name));
    expect(names.toSorted()).toEqual([...llmShapes(QWEN_7B).keys()].toSorted());
  });

  it('makes the head of the embedding when they are tied', () => {
    const [decoder] = plan({ ...QWEN_7B, tieWordEmbeddings: true }, 'f32').models;
    expect(decoder?.jobs.find(({ name }) => name === LM_HEAD)?.from.name).toBe(EMBED_TOKENS);
  });
});
