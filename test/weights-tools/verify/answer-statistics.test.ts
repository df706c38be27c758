import { describe, expect, it } from 'vitest';
import { compareAnswer, summarizeAnswers } from '../../../weights-tools/verify/answer-statistics.ts';

const END = 2;
const facts = { withImage: false, kind: null, isKnown: true, endTokens: [END] };

/** Logits of a distribution over three tokens, shifted: a constant changes no probability. */
function logitsOf(rows: readonly (readonly [number, number, number])[], shift = 0): Float32Array {
  return Float32Array.from(rows.flatMap((row) => row.map((p) => Math.log(p) + shift)));
}

const A = [
  [0.5, 0.25, 0.25],
  [0.1, 0.2, 0.7],
] as const;
const B = [
  [0.25, 0.5, 0.25],
  [0.1, 0.2, 0.7],
] as const;

describe('statistics of an answer', () => {
  it('measures KL, agreement, loss and right answers as written on paper', () => {
    const answer = [0, END];
    const found = compareAnswer({ a: logitsOf(A, 3), b: logitsOf(B, -2) }, answer, facts);
    // 0.5 ln 2 + 0.25 ln ½ + 0
    expect(found.kl[0]).toBeCloseTo(0.25 * Math.LN2, 6);
    expect(found.kl[1]).toBeCloseTo(0, 6);
    expect(found.agreed).toEqual([false, true]);
    expect(found.known?.a).toEqual({
      loss: [expect.closeTo(Math.LN2, 6), expect.closeTo(-Math.log(0.7), 6)],
      right: true,
    });
    expect(found.known?.b).toEqual({
      loss: [expect.closeTo(2 * Math.LN2, 6), expect.closeTo(-Math.log(0.7), 6)],
      right: false,
    });
    const summary = summarizeAnswers([found, { ...found, known: null }]);
    expect(summary).toMatchObject({ prompts: 2, tokens: 4, greedy: { tokens: 0.5, answers: 0 } });
    expect(summary?.kl).toEqual({ mean: expect.closeTo(0.125 * Math.LN2, 6), max: expect.closeTo(0.25 * Math.LN2, 6) });
    expect(summary?.known).toEqual({
      prompts: 1,
      perplexity: { a: expect.closeTo(Math.sqrt(2 / 0.7), 5), b: expect.closeTo(Math.sqrt(4 / 0.7), 5) },
      accuracy: { a: 1, b: 0 },
      lost: 1,
      won: 0,
    });
  });

  it('takes the cosine of the logits as they are', () => {
    const logits = { a: Float32Array.of(1, 0, 0), b: Float32Array.of(1, 1, 0) };
    expect(compareAnswer(logits, [0], facts).cosine[0]).toBeCloseTo(Math.SQRT1_2, 6);
  });

  it('takes any end token for the end, and no other token for a word', () => {
    const says = (token: number): Float32Array => Float32Array.from({ length: 4 }, (_, i) => (i === token ? 9 : 0));
    const right = (answer: number, said: number): boolean | undefined =>
      compareAnswer({ a: says(said), b: says(said) }, [answer], { ...facts, endTokens: [2, 3] }).known?.b.right;
    expect([right(2, 3), right(2, 2), right(2, 1), right(1, 1), right(1, 0)]).toEqual([true, true, false, true, false]);
  });

  it('does not take a model without finite logits for one that agrees', () => {
    const found = compareAnswer({ a: logitsOf([A[0]]), b: Float32Array.of(Number.NaN, 0, 0) }, [0], facts);
    expect(found.kl[0]).toBeNaN();
    expect(found.cosine[0]).toBeNaN();
  });

  it('sums up nothing as nothing', () => {
    expect(summarizeAnswers([])).toBeNull();
  });
});
