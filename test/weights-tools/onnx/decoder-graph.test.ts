import { Tensor, type InferenceSession } from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import type { LlmFacts } from '../../../src/core/model/manifest.ts';
import { layerTensor, LINEARS } from '../../../src/core/model/tensor-names.ts';
import { COS_CACHE, decoderGraph, OBSERVED_INPUTS, SIN_CACHE } from '../../../weights-tools/onnx/decoder-graph.ts';
import { ropeTable } from '../../../weights-tools/onnx/rope-tables.ts';
import { readWhole } from '../../support/read-whole.ts';
import { openGraph } from './graph-session.ts';
import { mulberry32, naiveDecoder, randomDecoder, type Weights } from './naive-decoder.ts';

const LLM: LlmFacts = {
  architecture: 'qwen2',
  hiddenSize: 32,
  layers: 3,
  attentionHeads: 4,
  kvHeads: 2,
  headDim: 16,
  intermediateSize: 48,
  vocabSize: 40,
  maxPositions: 64,
  ropeTheta: 10_000,
  ropeScaling: null,
  biases: ['q', 'k', 'v'],
  rmsNormEps: 1e-6,
  tieWordEmbeddings: false,
  eosTokenIds: [0],
};
const LENGTH = 12;
/** Two images of three and two tokens, apart from each other. */
const IMAGE_OF = [-1, -1, 0, 0, 0, -1, 1, 1, -1, -1, -1, -1];
const MASKED = -3.4028234663852886e38;

const causal = (query: number, key: number): boolean => key <= query;
const vora = (query: number, key: number): boolean =>
  key <= query || (IMAGE_OF[query] !== -1 && IMAGE_OF[query] === IMAGE_OF[key]);

const random = mulberry32(7);
const embeds = Array.from({ length: LENGTH }, () => Array.from({ length: LLM.hiddenSize }, () => random() - 0.5));
const weights = randomDecoder(LLM);
let session: InferenceSession;

type Cache = Record<string, Tensor>;

function emptyCache(llm = LLM): Cache {
  const none = (): Tensor => new Tensor('float32', new Float32Array(), [1, llm.kvHeads, 0, llm.headDim]);
  return Object.fromEntries(
    Array.from({ length: llm.layers }, (_, layer) =>
      ['key', 'value'].map((part) => [`${layer}.${part}`, none()]),
    ).flat(),
  ) as Cache;
}

/** Runs positions start..end on top of `cache`; returns the logits of the last `keep` and the new cache. */
async function run(
  start: number,
  end: number,
  cache: Cache,
  allowed: (query: number, key: number) => boolean,
  keep: number,
  model = session,
): Promise<{ logits: number[][]; cache: Cache; results: InferenceSession.OnnxValueMapType }> {
  const length = end - start;
  const bias = new Float32Array(length * end);
  for (let query = start; query < end; query++) {
    for (let key = 0; key < end; key++) {
      bias[(query - start) * end + key] = allowed(query, key) ? 0 : MASKED;
    }
  }
  const results = await model.run({
    inputs_embeds: new Tensor('float32', Float32Array.from(embeds.slice(start, end).flat()), [
      1,
      length,
      LLM.hiddenSize,
    ]),
    attention_bias: new Tensor('float32', bias, [1, 1, length, end]),
    seqlens_k: new Tensor('int32', Int32Array.of(end - 1), [1]),
    total_sequence_length: new Tensor('int32', Int32Array.of(end), []),
    num_logits_to_keep: new Tensor('int64', BigInt64Array.of(BigInt(keep)), []),
    ...Object.fromEntries(Object.entries(cache).map(([key, tensor]) => [`past_key_values.${key}`, tensor])),
  });
  const logits = results['logits'];
  if (logits === undefined || !(logits.data instanceof Float32Array)) {
    throw new Error('no logits');
  }
  const rows = logits.dims[1] ?? 0;
  const data = logits.data;
  return {
    results,
    logits: Array.from({ length: rows }, (_, row) => [
      ...data.subarray(row * LLM.vocabSize, (row + 1) * LLM.vocabSize),
    ]),
    cache: Object.fromEntries(Object.keys(cache).map((key) => [key, results[`present.${key}`]])) as Cache,
  };
}

function largestDifference(a: number[][], b: number[][]): number {
  return Math.max(...a.flatMap((row, i) => row.map((value, j) => Math.abs(value - (b[i]?.[j] ?? Number.NaN)))));
}

/** The decoder of `llm` in ONNX Runtime. */
async function open(llm: LlmFacts, weights: Weights, isObserved = false): Promise<InferenceSession> {
  const tables = [ropeTable(COS_CACHE, 'cos', llm), ropeTable(SIN_CACHE, 'sin', llm)];
  const ropes = await Promise.all(tables.map(async (table) => [table.name, await readWhole(table)] as const));
  const graph = decoderGraph(llm, { blocks: 'f32', lmHead: 'f32' }, { isObserved });
  return openGraph(graph, new Map([...weights, ...ropes]));
}

beforeAll(async () => {
  session = await open(LLM, weights);
});

describe('decoder graph', () => {
  it('equals a plain decoder with the image mask: one prefill from an empty cache', async () => {
    const expected = naiveDecoder(LLM, weights, embeds, vora);
    const { logits } = await run(0, LENGTH, emptyCache(), vora, 0);
    expect(logits).toHaveLength(LENGTH);
    expect(largestDifference(logits, expected)).toBeLessThan(2e-5);
  });

  it('equals a plain decoder with the causal mask, and that differs from the image mask', async () => {
    const expected = naiveDecoder(LLM, weights, embeds, causal);
    const { logits } = await run(0, LENGTH, emptyCache(), causal, 0);
    expect(largestDifference(logits, expected)).toBeLessThan(2e-5);
    expect(largestDifference(logits, naiveDecoder(LLM, weights, embeds, vora))).toBeGreaterThan(1e-2);
  });

  it.each([
    { name: 'a prefill continued by a longer one', steps: [5, 12] },
    { name: 'a prefill continued twice', steps: [2, 8, 12] },
    { name: 'a prefill and decode steps', steps: [8, 9, 10, 11, 12] },
    { name: 'decode from the first token', steps: [1, 2, 5, 6, 8, 9, 10, 11, 12] },
  ])('gives the same logits in parts: $name', async ({ steps }) => {
    const expected = naiveDecoder(LLM, weights, embeds, vora);
    let cache = emptyCache();
    let start = 0;
    const logits: number[][] = [];
    for (const end of steps) {
      const part = await run(start, end, cache, vora, 0);
      logits.push(...part.logits);
      cache = part.cache;
      start = end;
    }
    expect(largestDifference(logits, expected)).toBeLessThan(2e-5);
  });

  it('keeps the logits of the last positions only', async () => {
    const all = await run(0, LENGTH, emptyCache(), vora, 0);
    const { logits } = await run(0, LENGTH, emptyCache(), vora, 2);
    expect(logits).toHaveLength(2);
    expect(largestDifference(logits, all.logits.slice(-2))).toBeLessThan(1e-6);
  });
});

const STRETCHED: LlmFacts['ropeScaling'] = {
  type: 'llama3',
  factor: 8,
  lowFrequencyFactor: 1,
  highFrequencyFactor: 4,
  originalMaxPositions: 64,
};

describe.each<{ name: string; facts: Partial<LlmFacts> }>([
  { name: 'Qwen3: norms of heads, wider than hidden', facts: { architecture: 'qwen3', biases: [], headDim: 32 } },
  { name: 'Llama 3.1: no bias, stretched RoPE', facts: { architecture: 'llama', biases: [], ropeScaling: STRETCHED } },
  { name: 'a bias on every linear', facts: { biases: ['q', 'k', 'v', 'o', 'gate', 'up', 'down'] } },
])('decoder graph of $name', ({ facts }) => {
  it('equals a plain one', async () => {
    const llm: LlmFacts = { ...LLM, ...facts };
    const random = randomDecoder(llm);
    const other = await open(llm, random);
    const { logits } = await run(0, LENGTH, emptyCache(llm), vora, 0, other);
    expect(largestDifference(logits, naiveDecoder(llm, random, embeds, vora))).toBeLessThan(4e-5);
    expect(largestDifference(logits, naiveDecoder(LLM, weights, embeds, vora))).toBeGreaterThan(1e-2);
  });
});

describe('observed decoder graph', () => {
  it('gives out the squares of what comes in at every linear, summed over positions', async () => {
    const sums = new Map<string, number[]>();
    naiveDecoder(LLM, weights, embeds, vora, (linear, x) => {
      const sum = sums.get(linear) ?? x.map(() => 0);
      sums.set(
        linear,
        sum.map((value, i) => value + (x[i] ?? 0) ** 2),
      );
    });
    const { results } = await run(0, LENGTH, emptyCache(), vora, 0, await open(LLM, weights, true));
    for (let layer = 0; layer < LLM.layers; layer++) {
      for (const [observed, sharing] of Object.entries(OBSERVED_INPUTS)) {
        const found = results[`input_squares.${layer}.${observed}`]?.data as Float32Array;
        for (const linear of sharing) {
          const expected = sums.get(layerTensor(layer, LINEARS[linear]).replace(/\.weight$/, '')) ?? [];
          expect(found).toHaveLength(expected.length);
          expected.forEach((value, i) => expect(Math.abs((found[i] ?? 0) / value - 1)).toBeLessThan(1e-4));
        }
      }
    }
  });
});
