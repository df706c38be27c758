import { describe, expect, it } from 'vitest';
import { IMAGE_RUN_MAX_TOKENS } from '../../src/core/limits.ts';
import { createPrompt } from '../../src/endpoint/sequence.ts';

const HIDDEN_SIZE = 2;
const halfARun = new Float32Array((IMAGE_RUN_MAX_TOKENS / 2) * HIDDEN_SIZE);
const images = [halfARun, halfARun, halfARun];
const image = (index: number) => ({ kind: 'image', index }) as const;
const text = { kind: 'text', ids: [1] } as const;

describe('images side by side', () => {
  it('may not make a run whose mask would not fit', () => {
    expect(() =>
      createPrompt([image(0), image(1), image(2)], images, { hiddenSize: HIDDEN_SIZE, attentionMask: 'bidirectional' }),
    ).toThrow(`Images side by side make ${1.5 * IMAGE_RUN_MAX_TOKENS} tokens; at most ${IMAGE_RUN_MAX_TOKENS}`);
  });

  it('may with text between, or under a causal mask', () => {
    const apart = [image(0), image(1), text, image(2)];
    const length = 1.5 * IMAGE_RUN_MAX_TOKENS;
    expect(createPrompt(apart, images, { hiddenSize: HIDDEN_SIZE, attentionMask: 'bidirectional' })).toMatchObject({
      length: length + 1,
      runs: [
        { start: 0, length: IMAGE_RUN_MAX_TOKENS },
        { start: IMAGE_RUN_MAX_TOKENS + 1, length: IMAGE_RUN_MAX_TOKENS / 2 },
      ],
    });
    const together = [image(0), image(1), image(2)];
    expect(createPrompt(together, images, { hiddenSize: HIDDEN_SIZE, attentionMask: 'causal' })).toMatchObject({
      length,
      runs: [],
    });
  });
});
