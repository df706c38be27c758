import type { Random } from './random.ts';

export interface SamplingParams {
  /** 0 = greedy. */
  temperature: number;
  /** Keep the k most likely tokens; 0 = all. */
  topK: number;
  /** Keep the smallest set of most likely tokens whose probabilities, after topK, sum to at least this; 1 = all. */
  topP: number;
}

/**
 * One token id from the logits of one position.
 *
 * Greedy: the highest logit, the lowest id among equals. Otherwise, in float64 and in this order (Hugging Face's and
 * vLLM's): p = softmax(logits / temperature); keep the first topK tokens by (p descending, id ascending); renormalise;
 * keep the shortest prefix of that order whose sum reaches topP; draw from it in proportion to p.
 *
 * @param logits float32 [vocabulary]; −Infinity means impossible.
 * @throws Error when a logit is NaN or all are −Infinity: the model is broken and any token would be a lie.
 */
export function sample(logits: Float32Array, params: SamplingParams, random: Random): number {
  const best = argmax(logits);
  if (params.temperature === 0) {
    return best;
  }
  const highest = logits[best] ?? 0;
  const weights = Float64Array.from(logits, (logit) => Math.exp((logit - highest) / params.temperature));
  const candidates = params.topK > 0 || params.topP < 1 ? mostLikely(logits, weights, params) : weights.keys();
  return draw(weights, [...candidates], random);
}

function argmax(logits: Float32Array): number {
  let best = -1;
  let highest = -Infinity;
  for (const [id, logit] of logits.entries()) {
    if (Number.isNaN(logit)) {
      throw new Error(`logit ${id} is NaN`);
    }
    if (logit > highest) {
      best = id;
      highest = logit;
    }
  }
  if (best === -1) {
    throw new Error('no logit is finite');
  }
  return best;
}

/** Ids that topK and topP keep, most likely first. */
function mostLikely(logits: Float32Array, weights: Float64Array, { topK, topP }: SamplingParams): number[] {
  const kept = topK > 0 && topK < logits.length ? highest(logits, topK) : byLogit(logits, [...logits.keys()]);
  const enough = topP * sum(weights, kept);
  let reached = 0;
  const end = kept.findIndex((id) => (reached += weights[id] ?? 0) >= enough);
  return end === -1 ? kept : kept.slice(0, end + 1);
}

/** The k highest logits; a numeric sort finds the bar, so that the slow sort by comparison sees few. */
function highest(logits: Float32Array, k: number): number[] {
  const bar = logits.toSorted()[logits.length - k] ?? -Infinity;
  const above: number[] = [];
  for (const [id, logit] of logits.entries()) {
    if (logit >= bar) {
      above.push(id);
    }
  }
  return byLogit(logits, above).slice(0, k);
}

function byLogit(logits: Float32Array, ids: number[]): number[] {
  return ids.sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0) || a - b);
}

function draw(weights: Float64Array, ids: readonly number[], random: Random): number {
  let left = random() * sum(weights, ids);
  for (const id of ids) {
    left -= weights[id] ?? 0;
    if (left < 0) {
      return id;
    }
  }
  // Rounding can leave a sliver above the last one.
  return ids.findLast((id) => (weights[id] ?? 0) > 0) ?? 0;
}

function sum(weights: Float64Array, ids: readonly number[]): number {
  return ids.reduce((total, id) => total + (weights[id] ?? 0), 0);
}
