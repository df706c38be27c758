import { describe, expect, it } from 'vitest';
import type { PromptSegment } from '../../../src/core/prompt/assemble.ts';
import { imageRuns } from '../../../src/core/prompt/image-runs.ts';

const image = (index: number): PromptSegment => ({ kind: 'image', index });
const text = (length: number): PromptSegment => ({ kind: 'text', ids: Array.from({ length }, () => 7) });

describe('imageRuns', () => {
  it('finds none in text', () => {
    expect(imageRuns([text(5)], [])).toEqual([]);
  });

  it('places each image behind what stands before it', () => {
    expect(imageRuns([text(3), image(0), text(2), image(1)], [64, 4])).toEqual([
      { start: 3, length: 64 },
      { start: 69, length: 4 },
    ]);
  });

  it('fuses neighbours into one run', () => {
    expect(imageRuns([image(0), image(1), text(1), image(2)], [2, 3, 4])).toEqual([
      { start: 0, length: 5 },
      { start: 6, length: 4 },
    ]);
  });

  it('refuses an image nobody brought', () => {
    expect(() => imageRuns([image(1)], [2])).toThrow(RangeError);
  });
});
