import { describe, expect, it } from 'vitest';
import { adjustLogits } from '../../src/endpoint/logit-adjustment.ts';

const LOGITS = Float32Array.from([1, 2, 3, -Infinity, 0.5]);
const NONE = { frequencyPenalty: 0, presencePenalty: 0, bias: new Map<number, number>() };

describe('adjustLogits', () => {
  it('takes off what OpenAI’s formula takes off', () => {
    const tokens = [2, 0, 2, 2];
    for (const [frequencyPenalty, presencePenalty] of [
      [0.5, 0.25],
      [0, 1.5],
      [2, 0],
      [-1, -2],
    ] as const) {
      const adjusted = adjustLogits(LOGITS, tokens, { ...NONE, frequencyPenalty, presencePenalty }, null);
      // mu[j] - c[j] * alpha_frequency - float(c[j] > 0) * alpha_presence
      const expected = LOGITS.map((logit, id) => {
        const count = tokens.filter((token) => token === id).length;
        return logit - count * frequencyPenalty - (count > 0 ? 1 : 0) * presencePenalty;
      });
      expect(adjusted).toEqual(expected);
    }
  });

  it('adds biases and closes what is not allowed', () => {
    const bias = new Map([
      [1, -100],
      [4, 2.5],
    ]);
    expect([...adjustLogits(LOGITS, [], { ...NONE, bias }, Uint32Array.of(0b10011))]).toEqual([
      1,
      -98,
      -Infinity,
      -Infinity,
      3,
    ]);
  });

  it('leaves the logits themselves as they are', () => {
    const before = [...LOGITS];
    adjustLogits(LOGITS, [0], { ...NONE, presencePenalty: 1 }, Uint32Array.of(0));
    expect([...LOGITS]).toEqual(before);
    expect(adjustLogits(LOGITS, [0, 1], NONE, null)).toBe(LOGITS);
  });
});
