import { describe, expect, it } from 'vitest';
import { layerTensor, LINEARS, llmShapes } from '../../../src/core/model/tensor-names.ts';
import type { MergeModel, MergeWeight } from '../../../weights-tools/merge/merge-model.ts';
import { planMerge } from '../../../weights-tools/merge/plan.ts';
import { threadsFor } from '../../../weights-tools/merge/plan-threads.ts';

const QWEN_7B: Parameters<typeof llmShapes>[0] = {
  hiddenSize: 3584,
  layers: 28,
  attentionHeads: 28,
  kvHeads: 4,
  headDim: 128,
  intermediateSize: 18_944,
  vocabSize: 152_064,
  maxPositions: 4096,
  ropeTheta: 1_000_000,
  ropeScaling: null,
  rmsNormEps: 1e-6,
  tieWordEmbeddings: false,
  biases: ['q', 'k', 'v'],
  architecture: 'qwen2',
};
const RANK = 1024;
/** Heap and program of a thread, as measured. */
const THREAD_BYTES = 37e6;

/** VoRA-7B from its shapes alone: every linear of the first 24 layers has adapters. */
function vora7b(): Pick<MergeModel, 'weights' | 'vision'> {
  const adapted = new Set(
    Array.from({ length: 24 }, (_, layer) => Object.values(LINEARS).map((module) => layerTensor(layer, module))).flat(),
  );
  const read = (): Promise<never> => Promise.reject(new Error('a plan reads no weights'));
  const source = { name: 'model.safetensors', byteLength: 0, slice: read, readInto: read, close: read };
  const weights = [...llmShapes(QWEN_7B)].map(([name, shape]): [string, MergeWeight] => {
    const tensor = { name, dtype: 'BF16', shape, start: 0, end: 0, source } as const;
    const columns = shape[1] ?? 1;
    const isMerged = adapted.has(name);
    const scratchFloats = (rows: number): number => (isMerged ? RANK * columns + rows * (2 * columns + RANK) : 0);
    const rows = { name, shape, scratchFloats, read };
    const merged = isMerged ? { ...rows, rank: RANK, readWithBase: read } : null;
    return [name, { rows, tensor, isStored: !isMerged, isReplaced: false, merged }];
  });
  return { weights: new Map(weights), vision: null };
}

describe('threads of a merge of VoRA-7B', () => {
  it.each([
    [1e9, 2, 2],
    [1e9, 16, 5],
    [4e9, 16, 16],
    [200e6, 16, 1],
  ])('within %d bytes on %i processors are %i, and stay within them', (memoryBytes, processors, expected) => {
    const model = vora7b();
    const options = { weights: 'BF16', memoryBytes } as const;
    const threads = threadsFor(model, { ...options, asked: undefined, processors });
    expect(threads).toBe(expected);
    const { peakBytes } = planMerge(model, { ...options, threads });
    expect(peakBytes + (threads === 1 ? 0 : threads * THREAD_BYTES)).toBeLessThanOrEqual(memoryBytes);
  });

  it('are as many as were asked for, where there is room', () => {
    const options = { weights: 'BF16', memoryBytes: 1e9, processors: 2 } as const;
    expect(threadsFor(vora7b(), { ...options, asked: 4 })).toBe(4);
    expect(threadsFor(vora7b(), { ...options, asked: 1 })).toBe(1);
  });
});
