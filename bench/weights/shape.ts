import type { LlmFacts } from '../../src/core/model/manifest.ts';

/** A language model's sizes, and what is trained on it. */
export interface BenchShape {
  readonly label: string;
  readonly llm: LlmFacts;
  readonly lora: { readonly rank: number; readonly layers: number };
}

export const SCALES = ['full', 'part', 'tiny'] as const;
/**
 * `part` has every width of the real models and a quarter of their layers: the same peak, and near the same ratios. `tiny` runs
 * every step in seconds, and says nothing about speed.
 */
export type Scale = (typeof SCALES)[number];

const QWEN25: Omit<
  LlmFacts,
  'hiddenSize' | 'layers' | 'attentionHeads' | 'kvHeads' | 'intermediateSize' | 'vocabSize'
> = {
  architecture: 'qwen2',
  headDim: 128,
  maxPositions: 4096,
  ropeTheta: 1_000_000,
  ropeScaling: null,
  biases: ['q', 'k', 'v'],
  rmsNormEps: 1e-6,
  tieWordEmbeddings: false,
  eosTokenIds: [780],
};

const TINY: LlmFacts = {
  ...QWEN25,
  hiddenSize: 512,
  layers: 2,
  attentionHeads: 4,
  kvHeads: 2,
  intermediateSize: 1024,
  vocabSize: 4096,
};

/** Qwen2.5-7B with VoRA's adapters: rank 1024 on the first 24 of 28 layers. */
export function vora7b(scale: Scale): BenchShape {
  if (scale === 'tiny') {
    return { label: 'toy VoRA r 64', llm: TINY, lora: { rank: 64, layers: 1 } };
  }
  const llm = {
    hiddenSize: 3584,
    layers: layersOf(scale, 28),
    attentionHeads: 28,
    kvHeads: 4,
    intermediateSize: 18_944,
    vocabSize: 152_064,
  };
  return {
    label: `${partOf(scale)}Qwen2.5-7B VoRA r 1024`,
    llm: { ...QWEN25, ...llm },
    lora: { rank: 1024, layers: layersOf(scale, 24) },
  };
}

/** Qwen2.5-1.5B with PEFT's adapters of rank 64 on every linear. */
export function peft1b5(scale: Scale): BenchShape {
  if (scale === 'tiny') {
    return { label: 'toy PEFT r 8', llm: { ...TINY, tieWordEmbeddings: true }, lora: { rank: 8, layers: 2 } };
  }
  const llm = {
    hiddenSize: 1536,
    layers: layersOf(scale, 28),
    attentionHeads: 12,
    kvHeads: 2,
    intermediateSize: 8960,
    vocabSize: 151_936,
  };
  return {
    label: `${partOf(scale)}Qwen2.5-1.5B PEFT r 64`,
    llm: { ...QWEN25, ...llm, tieWordEmbeddings: true },
    lora: { rank: 64, layers: llm.layers },
  };
}

function layersOf(scale: Scale, layers: number): number {
  return scale === 'part' ? layers / 4 : layers;
}

function partOf(scale: Scale): string {
  return scale === 'part' ? 'a quarter of ' : '';
}
