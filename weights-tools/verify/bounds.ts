import type { AnswerSummary } from './answer-statistics.ts';
import type { Verification } from './verification.ts';

/** What the difference between two models may be; undefined asks for nothing. */
export interface Bounds {
  /** Mean KL(A ‖ B) over tokens, nats. */
  readonly maxKl?: number;
  /** Least cosine of the logits at any token. */
  readonly minCosine?: number;
  /** Share of tokens at which the most likely one is the same. */
  readonly minGreedy?: number;
  /** B's accuracy on the prompts with an answer, 0 to 1. */
  readonly minAccuracy?: number;
  /** A's accuracy less B's, 0 to 1. */
  readonly maxAccuracyLoss?: number;
  /** B's perplexity over A's. */
  readonly maxPerplexityRatio?: number;
  /** Relative error of any tensor of the language model; with it, the vision embeddings must be the same. */
  readonly maxTensorError?: number;
}

/**
 * What is past its bound, one sentence each. Prompts with pictures and those without keep a bound each for themselves: a
 * model that got worse at one of them got worse. A bound on what was not measured is not kept.
 */
export function pastBounds({ weights, answers, sameVision }: Verification, bounds: Bounds): string[] {
  const violations: string[] = [];
  const require = (
    what: string,
    found: number | undefined,
    limit: number | undefined,
    kind: 'least' | 'most',
  ): void => {
    if (limit === undefined) {
      return;
    }
    if (found === undefined) {
      violations.push(`${what}: nothing was measured, expected at ${kind} ${limit}`);
    } else if (!(kind === 'least' ? found >= limit : found <= limit)) {
      violations.push(`${what}: found ${found.toPrecision(4)}, expected at ${kind} ${limit}`);
    }
  };

  const errors = weights.tensors.map(({ relativeError }) => relativeError);
  require('tensors: relative error', Math.max(0, ...errors), bounds.maxTensorError, 'most');
  const missing = [...weights.onlyA, ...weights.onlyB, ...weights.otherShape];
  if (bounds.maxTensorError !== undefined && missing.length > 0) {
    violations.push(`tensors: ${missing.length} without a counterpart, the first of them ${missing[0]}`);
  }

  if (bounds.maxTensorError !== undefined && sameVision === false) {
    violations.push('vision embedding: found another than in A, expected the same');
  }

  const groups: [string, AnswerSummary | null][] = [
    ['prompts with pictures', answers?.withImages ?? null],
    ['prompts without pictures', answers?.withoutImages ?? null],
  ];
  const measured = groups.filter(([, summary]) => summary !== null);
  for (const [group, summary] of measured.length > 0 ? measured : ([['prompts', null]] as const)) {
    const known = summary?.known ?? undefined;
    require(`${group}: mean KL`, summary?.kl.mean, bounds.maxKl, 'most');
    require(`${group}: least cosine`, summary?.cosine.min, bounds.minCosine, 'least');
    require(`${group}: greedy agreement`, summary?.greedy.tokens, bounds.minGreedy, 'least');
    require(`${group}: accuracy`, known?.accuracy.b, bounds.minAccuracy, 'least');
    const loss = known === undefined ? undefined : known.accuracy.a - known.accuracy.b;
    require(`${group}: accuracy lost`, loss, bounds.maxAccuracyLoss, 'most');
    const ratio = known === undefined ? undefined : known.perplexity.b / known.perplexity.a;
    require(`${group}: perplexity ratio`, ratio, bounds.maxPerplexityRatio, 'most');
  }
  return violations;
}

/** The comparison is done and printed, and the difference is too large. */
export class PastBounds extends Error {
  constructor(violations: readonly string[]) {
    super(violations.map((violation) => `past a bound: ${violation}`).join('\n'));
    this.name = 'PastBounds';
  }
}
