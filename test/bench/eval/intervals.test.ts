import { describe, expect, it } from 'vitest';
import { pairedDifference, wilsonInterval } from '../../../bench/eval/intervals.ts';

const Z = 1.96;

describe('wilsonInterval', () => {
  it.each([
    [0, 4],
    [2, 4],
    [8, 10],
    [950, 1000],
    [1000, 1000],
  ])('of %i of %i ends where the score test just accepts', (right, count) => {
    const share = right / count;
    // Oracle: the shares p at which |share − p| is Z standard errors of p, found by bisection.
    const accepts = (p: number): boolean => Math.abs(share - p) <= Z * Math.sqrt((p * (1 - p)) / count) + 1e-15;
    const edge = (outside: number): number => {
      let [out, inside] = [outside, share];
      for (let step = 0; step < 60; step += 1) {
        const middle = (out + inside) / 2;
        [out, inside] = accepts(middle) ? [out, middle] : [middle, inside];
      }
      return inside;
    };
    const [low, high] = wilsonInterval(right, count);
    expect(low).toBeCloseTo(edge(0), 6);
    expect(high).toBeCloseTo(edge(1), 6);
  });
});

describe('pairedDifference', () => {
  it('counts the questions that tell two systems apart', () => {
    const first = [true, true, true, false, true];
    const second = [true, false, false, true, true];
    const found = pairedDifference(first, second);
    expect(found).toMatchObject({ count: 5, onlyFirst: 2, onlySecond: 1 });
    expect(found.difference).toBeCloseTo(4 / 5 - 3 / 5);
    expect(pairedDifference(second, first).interval).toEqual(found.interval.map((bound) => -bound).toReversed());
  });

  it('refuses answers to other questions', () => {
    expect(() => pairedDifference([true], [])).toThrow('1 answers against 0');
  });

  it.each([
    [0.1, 0.1],
    [0.05, 0.01],
    [0.2, 0.1],
  ])('covers the truth about 95 times in 100 where %f and %f tell them apart', (p10, p01) => {
    // Exact: every outcome of 60 questions, by its multinomial probability.
    const n = 60;
    let covered = 0;
    for (let a = 0; a <= n; a += 1) {
      for (let b = 0; a + b <= n; b += 1) {
        const { interval } = pairedDifference(...answers(a, b, n));
        if (interval[0] <= p10 - p01 && p10 - p01 <= interval[1]) {
          covered += Math.exp(
            logFactorial(n) -
              logFactorial(a) -
              logFactorial(b) -
              logFactorial(n - a - b) +
              a * Math.log(p10) +
              b * Math.log(p01) +
              (n - a - b) * Math.log(1 - p10 - p01),
          );
        }
      }
    }
    expect(covered).toBeGreaterThan(0.94);
    expect(covered).toBeLessThan(0.995);
  });
});

/** Answers of two systems to n questions, a of which only the first got right and b only the second. */
function answers(a: number, b: number, n: number): [boolean[], boolean[]] {
  const order = Array.from({ length: n }, (_, index) => index);
  return [order.map((index) => index < a), order.map((index) => index >= a && index < a + b)];
}

function logFactorial(n: number): number {
  let sum = 0;
  for (let k = 2; k <= n; k += 1) {
    sum += Math.log(k);
  }
  return sum;
}
