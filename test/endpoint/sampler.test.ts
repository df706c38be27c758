import { describe, expect, it } from 'vitest';
import { createRandom } from '../../src/endpoint/random.ts';
import { sample, type SamplingParams } from '../../src/endpoint/sampler.ts';

const LOGITS = Float32Array.from([2, -1, 0.5, 2, 3, -4, 1.5, 0, 0.25, -Infinity]);
const DRAWS = 100_000;

/** The distribution by its definition, written without regard to cost. */
function expected({ temperature, topK, topP }: SamplingParams): number[] {
  const exps = [...LOGITS].map((logit) => Math.exp(logit / temperature));
  const total = exps.reduce((a, b) => a + b, 0);
  let tokens = exps.map((value, id) => ({ id, p: value / total })).sort((a, b) => b.p - a.p || a.id - b.id);
  tokens = tokens.slice(0, topK === 0 ? undefined : topK);
  const kept = tokens.reduce((sum, { p }) => sum + p, 0);
  tokens = tokens.filter((_, index) => tokens.slice(0, index).reduce((sum, { p }) => sum + p / kept, 0) < topP);
  const left = tokens.reduce((sum, { p }) => sum + p, 0);
  return exps.map((_, id) => (tokens.find((token) => token.id === id)?.p ?? 0) / left);
}

describe('sample', () => {
  it.each<SamplingParams>([
    { temperature: 1, topK: 0, topP: 1 },
    { temperature: 0.5, topK: 0, topP: 1 },
    { temperature: 2, topK: 0, topP: 1 },
    { temperature: 1, topK: 3, topP: 1 },
    { temperature: 1, topK: 2, topP: 1 },
    { temperature: 1, topK: 0, topP: 0.8 },
    { temperature: 1.3, topK: 5, topP: 0.9 },
    { temperature: 1, topK: 100, topP: 0.999 },
  ])('draws from the distribution that %o defines', (params) => {
    const random = createRandom(7);
    const counts = Array.from(LOGITS, () => 0);
    for (let i = 0; i < DRAWS; i++) {
      const id = sample(LOGITS, params, random);
      counts[id] = (counts[id] ?? 0) + 1;
    }
    for (const [id, p] of expected(params).entries()) {
      // Five standard deviations; exactly zero where the token was cut off.
      expect(Math.abs((counts[id] ?? 0) / DRAWS - p)).toBeLessThanOrEqual(5 * Math.sqrt((p * (1 - p)) / DRAWS));
    }
  });

  it('is greedy at temperature 0, and takes the lowest id of equals', () => {
    const random = (): number => 0.999;
    expect(sample(LOGITS, { temperature: 0, topK: 0, topP: 1 }, random)).toBe(4);
    expect(sample(Float32Array.from([1, 5, 5]), { temperature: 0, topK: 0, topP: 1 }, random)).toBe(1);
  });

  it.each([
    { topK: 1, topP: 1 },
    { topK: 0, topP: 0 },
  ])('keeps one token with %o', (cut) => {
    expect(sample(LOGITS, { temperature: 2, ...cut }, () => 0.999999)).toBe(4);
  });

  it('survives a temperature near zero', () => {
    expect(sample(LOGITS, { temperature: 1e-300, topK: 0, topP: 1 }, () => 0.5)).toBe(4);
  });

  it('gives equal tokens for equal seeds, and others for others', () => {
    const draw = (seed: number): number[] => {
      const random = createRandom(seed);
      return Array.from({ length: 50 }, () => sample(LOGITS, { temperature: 1, topK: 0, topP: 1 }, random));
    };
    expect(draw(1)).toEqual(draw(1));
    for (const other of [2, -1, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER]) {
      expect(draw(other)).not.toEqual(draw(1));
    }
  });

  it.each([[[1, NaN, 0]], [[1, Infinity, 0]], [[-Infinity, -Infinity]], [[]]])('refuses the logits %j', (logits) => {
    const params = { temperature: 1, topK: 0, topP: 1 };
    expect(() => sample(Float32Array.from(logits), params, () => 0)).toThrow(/logit/);
  });
});

describe('createRandom', () => {
  it('is uniform in [0, 1)', () => {
    const random = createRandom(42);
    const bins = Array.from({ length: 16 }, () => 0);
    for (let i = 0; i < DRAWS; i++) {
      const bin = Math.floor(random() * bins.length);
      bins[bin] = (bins[bin] ?? 0) + 1;
    }
    const even = DRAWS / bins.length;
    const chiSquare = bins.reduce((sum, count) => sum + (count - even) ** 2 / even, 0);
    expect(bins).toHaveLength(16);
    // The 99.99th percentile at 15 degrees of freedom.
    expect(chiSquare).toBeLessThan(44.3);
  });
});
