import type { PromptSegment } from '../core/prompt/assemble.ts';
import { IMAGE_RUN_MAX_TOKENS } from '../core/limits.ts';
import { type ImageRun, imageRuns, segmentLength } from '../core/prompt/image-runs.ts';
import { RequestError } from '../core/protocol/failure.ts';
import type { Constraint } from './grammar/token-grammar.ts';
import type { LogitAdjustment } from './logit-adjustment.ts';
import type { Random } from './random.ts';
import type { SamplingParams } from './sampler.ts';
import type { TranscriptOptions } from './transcript.ts';

export interface Prompt {
  readonly segments: readonly PromptSegment[];
  /** Embeddings of each image, float32 [N, hidden], by the segments' `index`. */
  readonly images: readonly Float32Array[];
  /** Positions that see each other in both directions; none for a model with a causal mask. */
  readonly runs: readonly ImageRun[];
  /** Positions, image tokens included. */
  readonly length: number;
  /** Whose prompt it is: only those of one salt share keys and values. */
  readonly cacheSalt?: string;
}

export interface GenerationParams {
  readonly maxTokens: number;
  readonly sampling: SamplingParams;
  readonly random: Random;
  readonly adjustment: LogitAdjustment;
  /** Where the answer is; null for one that may go anywhere. Used by this sequence alone. */
  readonly constraint: Constraint | null;
  readonly transcript: TranscriptOptions;
  /** How many alternatives to list beside each token; null lists no tokens. */
  readonly topLogprobs: number | null;
}

/** One answer in the making. */
export interface Sequence {
  readonly prompt: Prompt;
  readonly params: GenerationParams;
  /** Token ids generated so far. */
  readonly tokens: number[];
  /** Positions from the start whose keys and values are in the cache. */
  computed: number;
  /** Positions of the prompt whose keys and values another request had made. */
  reused: number;
  /** The grammar has chosen a token for the sake of the length: the answer is not what the model would have said. */
  isHurried: boolean;
}

export function createSequence(prompt: Prompt, params: GenerationParams): Sequence {
  return { prompt, params, tokens: [], computed: 0, reused: 0, isHurried: false };
}

/** Positions known so far: the prompt and every generated token. */
export function sequenceLength(sequence: Sequence): number {
  return sequence.prompt.length + sequence.tokens.length;
}

/** @throws RequestError `invalid-request` for more images side by side than one run of the model may hold. */
export function createPrompt(
  segments: readonly PromptSegment[],
  images: readonly Float32Array[],
  {
    hiddenSize,
    attentionMask,
    cacheSalt = '',
  }: { hiddenSize: number; attentionMask: 'bidirectional' | 'causal'; cacheSalt?: string },
): Prompt {
  const lengths = images.map((image) => image.length / hiddenSize);
  const runs = attentionMask === 'bidirectional' ? imageRuns(segments, lengths) : [];
  for (const { length } of runs) {
    if (length > IMAGE_RUN_MAX_TOKENS) {
      const message = `Images side by side make ${length} tokens; at most ${IMAGE_RUN_MAX_TOKENS} may stand without text between`;
      throw new RequestError({ kind: 'invalid-request', param: 'messages', message });
    }
  }
  return {
    segments,
    images,
    runs,
    cacheSalt,
    length: segments.reduce((total, segment) => total + segmentLength(segment, lengths), 0),
  };
}
