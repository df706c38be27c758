import type { GenerationParams } from '../../src/endpoint/sequence.ts';

/** A greedy answer of free text. */
export function generationParams({
  stop = [],
  ...changes
}: Partial<GenerationParams> & { stop?: string[] } = {}): GenerationParams {
  return {
    maxTokens: 100,
    sampling: { temperature: 0, topK: 0, topP: 1 },
    random: () => 0,
    adjustment: { frequencyPenalty: 0, presencePenalty: 0, bias: new Map() },
    constraint: null,
    transcript: { stop, toolCalls: null },
    topLogprobs: null,
    ...changes,
  };
}
