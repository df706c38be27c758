import type { TokenChance, TokenLogprob } from '../core/protocol/answer-delta.ts';

/** OpenAI's value for what is as good as impossible; JSON has no −Infinity. */
const IMPOSSIBLE = -9999;

/**
 * How likely the model held a token, and the most likely ones beside it: log-softmax of its logits in float64, before
 * temperature, penalties and constraints. So a token that a constraint forced shows how unlikely it was.
 *
 * @param top how many to list, most likely first, the lower id first among equals.
 */
export function listToken(
  logits: Float32Array,
  token: number,
  top: number,
  spell: (id: number) => Pick<TokenChance, 'token' | 'bytes'>,
): TokenLogprob {
  const highest = logits.reduce((most, logit) => Math.max(most, logit), -Infinity);
  const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - highest), 0));
  const chance = (id: number): TokenChance => ({
    token: spell(id).token,
    logprob: Math.max((logits[id] ?? -Infinity) - highest - total, IMPOSSIBLE),
    bytes: spell(id).bytes,
  });
  return { ...chance(token), top_logprobs: mostLikely(logits, top).map(chance) };
}

function mostLikely(logits: Float32Array, count: number): number[] {
  const kept: number[] = [];
  if (count === 0) {
    return kept;
  }
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id] ?? -Infinity;
    if (kept.length < count || logit > (logits[kept[count - 1] ?? 0] ?? -Infinity)) {
      const place = kept.findIndex((other) => (logits[other] ?? -Infinity) < logit);
      kept.splice(place === -1 ? kept.length : place, 0, id);
      kept.length = Math.min(kept.length, count);
    }
  }
  return kept;
}
