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
 * @throws Error when a logit is NaN or +Infinity or all are −Infinity: the model is broken and any token would be a lie.
 */
export function sample(logits: Float32Array, params: SamplingParams, random: Random): number {
  const best = argmax(logits);
  if (params.temperature === 0) {
    return best;
  }
  const highest = logits[best] ?? 0;
  const weights = Float64Array.from(logits);
  for (let id = 0; id < weights.length; id++) {
    weights[id] = Math.exp(((weights[id] ?? 0) - highest) / params.temperature);
  }
  return draw(weights, mostLikely(logits, weights, params), random);
}

function argmax(logits: Float32Array): number {
  let best = -1;
  let highest = -Infinity;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id] ?? NaN;
    if (Number.isNaN(logit) || logit === Infinity) {
      throw new Error(`logit ${id} is ${logit}`);
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

/** Ids that topK and topP keep, most likely first where either of them cuts. */
function mostLikely(logits: Float32Array, weights: Float64Array, { topK, topP }: SamplingParams): Uint32Array {
  const all = atLeast(logits, -Infinity);
  const cut = topK > 0 && topK < logits.length;
  if (!cut && topP === 1) {
    return all;
  }
  // Sorting by comparison is slow, so what cannot be kept is left out first. A numeric sort finds topK's bar. For topP:
  // tokens below the mean share of what it gives away sum to less than that.
  const candidates = cut
    ? atLeast(logits, logits.toSorted()[logits.length - topK] ?? -Infinity)
    : atLeast(weights, ((1 - topP) * sum(weights, all)) / weights.length);
  const kept = byLogit(logits, candidates).subarray(0, cut ? topK : undefined);
  const enough = topP * sum(weights, cut ? kept : all);
  let reached = 0;
  const end = kept.findIndex((id) => (reached += weights[id] ?? 0) >= enough);
  return end === -1 ? kept : kept.subarray(0, end + 1);
}

/** Ids of the values that reach a bar, in order. */
function atLeast(values: Float32Array | Float64Array, bar: number): Uint32Array {
  const ids = new Uint32Array(values.length);
  let count = 0;
  for (let id = 0; id < values.length; id++) {
    if ((values[id] ?? NaN) >= bar) {
      ids[count++] = id;
    }
  }
  return ids.subarray(0, count);
}

function byLogit(logits: Float32Array, ids: Uint32Array): Uint32Array {
  return ids.sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0) || a - b);
}

function draw(weights: Float64Array, ids: Uint32Array, random: Random): number {
  let left = random() * sum(weights, ids);
  let last = 0;
  for (const id of ids) {
    const weight = weights[id] ?? 0;
    last = weight > 0 ? id : last;
    left -= weight;
    if (left < 0) {
      return id;
    }
  }
  // Rounding can leave a sliver above the last one.
  return last;
}

function sum(weights: Float64Array, ids: Uint32Array): number {
  let total = 0;
  for (const id of ids) {
    total += weights[id] ?? 0;
  }
  return total;
}
