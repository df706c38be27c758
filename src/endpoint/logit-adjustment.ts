import { isAllowed, type TokenMask } from './grammar/token-grammar.ts';

/** What a request changes of the model's logits, as OpenAI defines it. */
export interface LogitAdjustment {
  /** Taken off a token's logit for each time that it stands in the answer so far. */
  frequencyPenalty: number;
  /** Taken off once when it stands there at all. */
  presencePenalty: number;
  /** Added by token id. */
  bias: ReadonlyMap<number, number>;
}

/**
 * Logits with biases and penalties, and −Infinity where a token is not allowed. The prompt's tokens count for nothing, as
 * in OpenAI's own formula, where only sampled ones do.
 *
 * @param tokens the answer so far.
 * @returns the same array when there is nothing to change.
 */
export function adjustLogits(
  logits: Float32Array,
  tokens: readonly number[],
  { frequencyPenalty, presencePenalty, bias }: LogitAdjustment,
  allowed: TokenMask | null,
): Float32Array {
  const penalised = (frequencyPenalty !== 0 || presencePenalty !== 0) && tokens.length > 0;
  if (!penalised && bias.size === 0 && allowed === null) {
    return logits;
  }
  const adjusted = Float32Array.from(logits);
  const add = (token: number, amount: number): void => {
    adjusted[token] = (adjusted[token] ?? 0) + amount;
  };
  bias.forEach((amount, token) => add(token, amount));
  if (penalised) {
    const counts = new Map<number, number>();
    tokens.forEach((token) => counts.set(token, (counts.get(token) ?? 0) + 1));
    counts.forEach((count, token) => add(token, -(count * frequencyPenalty + presencePenalty)));
  }
  if (allowed !== null) {
    for (let token = 0; token < adjusted.length; token++) {
      if (!isAllowed(allowed, token)) {
        adjusted[token] = -Infinity;
      }
    }
  }
  return adjusted;
}
