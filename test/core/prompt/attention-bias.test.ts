import { describe, expect, it } from 'vitest';
import { attentionBias, MASKED } from '../../../src/core/prompt/attention-bias.ts';
import type { ImageRun } from '../../../src/core/prompt/image-runs.ts';

/** The mask by its definition, cell by cell. */
function mayAttend(runs: readonly ImageRun[], query: number, key: number): boolean {
  const inside = (run: ImageRun, position: number): boolean =>
    position >= run.start && position < run.start + run.length;
  return key <= query || runs.some((run) => inside(run, query) && inside(run, key));
}

const RUNS = [
  { start: 0, length: 2 },
  { start: 4, length: 3 },
  { start: 9, length: 1 },
];

describe('attentionBias', () => {
  it.each([
    ['a whole prompt', 0, 12, 12],
    ['the text after a run', 7, 3, 12],
    ['exactly one run', 4, 3, 7],
    ['one token behind all', 11, 1, 12],
  ])('follows the definition for %s', (_name, start, length, total) => {
    const bias = attentionBias(RUNS, start, length, total);
    for (let row = 0; row < length; row++) {
      for (let key = 0; key < total; key++) {
        expect(bias[row * total + key]).toBe(mayAttend(RUNS, start + row, key) ? 0 : MASKED);
      }
    }
  });

  it('is causal without runs', () => {
    expect([...attentionBias([], 0, 3, 3)]).toEqual([0, MASKED, MASKED, 0, 0, MASKED, 0, 0, 0]);
  });

  it('opens the run in both directions, and only the run', () => {
    expect([...attentionBias([{ start: 1, length: 2 }], 0, 4, 4)].map((value) => (value === 0 ? 1 : 0))).toEqual([
      1, 0, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1,
    ]);
  });

  it('refuses to cut a run', () => {
    expect(() => attentionBias(RUNS, 0, 5, 5)).toThrow(RangeError);
  });
});
