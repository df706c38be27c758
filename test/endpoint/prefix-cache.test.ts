import { Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { byteSize, type KeysValues, positionsOf } from '../../src/endpoint/keys-values.ts';
import { createPrefixCache } from '../../src/endpoint/prefix-cache.ts';
import { createSequence, type Prompt, type Sequence } from '../../src/endpoint/sequence.ts';
import { generationParams } from '../support/generation-params.ts';

const HIDDEN = 2;
const HEADS = 3;
const HEAD_DIM = 2;
const ROOM = 1e6;

/** A picture of so many positions, told apart by `seed`. */
const picture = (seed: number, positions: number) => new Float32Array(positions * HIDDEN).fill(seed);

/** Text by its letters, pictures by their index: `ab0c`. */
function sequenceOf(text: string, images: Float32Array[] = [], cacheSalt = ''): Sequence {
  const segments = text
    .split('')
    .map((letter) =>
      /\d/.test(letter)
        ? ({ kind: 'image', index: Number(letter) } as const)
        : ({ kind: 'text', ids: [letter.codePointAt(0) ?? 0] } as const),
    );
  const length = text
    .split('')
    .reduce((sum, letter) => sum + (/\d/.test(letter) ? (images[Number(letter)]?.length ?? 0) / HIDDEN : 1), 0);
  const prompt: Prompt = { segments, images, runs: [], length, cacheSalt };
  return createSequence(prompt, generationParams());
}

/** Keys whose values say of which head and position they are. */
function keysOf(positions: number): KeysValues {
  const data = Float32Array.from({ length: HEADS * positions * HEAD_DIM }, (_, i) => {
    const position = Math.floor(i / HEAD_DIM) % positions;
    return Math.floor(i / HEAD_DIM / positions) * 1000 + position;
  });
  return { key: new Tensor('float32', data, [1, HEADS, positions, HEAD_DIM]) };
}

function found(cache: ReturnType<typeof createPrefixCache>, sequence: Sequence): number {
  const keys = cache.find(sequence);
  if (keys === null) {
    return 0;
  }
  expect(keys).toEqual(keysOf(positionsOf(keys)));
  return positionsOf(keys);
}

describe('the cache of beginnings', () => {
  it('gives the longest beginning that two prompts share, each head cut where it ends', () => {
    const cache = createPrefixCache({ maxBytes: ROOM, hiddenSize: HIDDEN });
    cache.keep(sequenceOf('abcdef'), keysOf(6));
    cache.keep(sequenceOf('abxy'), keysOf(4));
    expect(found(cache, sequenceOf('abcdxyz'))).toBe(4);
    expect(found(cache, sequenceOf('abxyz'))).toBe(4);
    expect(found(cache, sequenceOf('xabc'))).toBe(0);
  });

  it('leaves the last unit to be read, though all of it is held', () => {
    const cache = createPrefixCache({ maxBytes: ROOM, hiddenSize: HIDDEN });
    cache.keep(sequenceOf('abc'), keysOf(3));
    expect(found(cache, sequenceOf('abc'))).toBe(2);
    expect(found(cache, sequenceOf('a'))).toBe(0);
  });

  it('holds what was generated, as far as its keys go', () => {
    const cache = createPrefixCache({ maxBytes: ROOM, hiddenSize: HIDDEN });
    const sequence = sequenceOf('ab');
    sequence.tokens.push(...'cde'.split('').map((letter) => letter.codePointAt(0) ?? 0));
    cache.keep(sequence, keysOf(4));
    expect(found(cache, sequenceOf('abcdefg'))).toBe(4);
  });

  it('takes images by their content, and those side by side as one', () => {
    const cache = createPrefixCache({ maxBytes: ROOM, hiddenSize: HIDDEN });
    cache.keep(sequenceOf('a01b', [picture(1, 5), picture(2, 3)]), keysOf(10));
    expect(found(cache, sequenceOf('a01bc', [picture(1, 5), picture(2, 3)]))).toBe(10);
    expect(found(cache, sequenceOf('a10bc', [picture(2, 3), picture(1, 5)]))).toBe(9 + 1);
    expect(found(cache, sequenceOf('a01bc', [picture(1, 5), picture(3, 3)]))).toBe(1);
    // The first of two side by side has seen the second.
    expect(found(cache, sequenceOf('a0bc', [picture(1, 5)]))).toBe(1);
  });

  it('keeps apart what has another salt', () => {
    const cache = createPrefixCache({ maxBytes: ROOM, hiddenSize: HIDDEN });
    cache.keep(sequenceOf('abc', [], 'one'), keysOf(3));
    expect(found(cache, sequenceOf('abcd', [], 'two'))).toBe(0);
    expect(found(cache, sequenceOf('abcd'))).toBe(0);
    expect(found(cache, sequenceOf('abcd', [], 'one'))).toBe(3);
  });

  it('stays within its bytes, and lets go of the longest unused', () => {
    const cache = createPrefixCache({ maxBytes: 3 * byteSize(keysOf(3)), hiddenSize: HIDDEN });
    for (const text of ['abc', 'def', 'ghi']) {
      cache.keep(sequenceOf(text), keysOf(3));
    }
    expect(found(cache, sequenceOf('abcx'))).toBe(3);
    cache.keep(sequenceOf('jkl'), keysOf(3));
    expect(['abcx', 'defx', 'ghix', 'jklx'].map((text) => found(cache, sequenceOf(text)))).toEqual([3, 0, 3, 3]);
    cache.keep(sequenceOf('mnopqrstuvwx'), keysOf(12));
    expect(found(cache, sequenceOf('mnopqrstuvwxyz'))).toBe(0);
  });

  it('counts a chat once, however many turns it has had', () => {
    const cache = createPrefixCache({ maxBytes: byteSize(keysOf(9)), hiddenSize: HIDDEN });
    cache.keep(sequenceOf('xyz'), keysOf(3));
    for (const text of ['ab', 'abcd', 'abcdef']) {
      cache.keep(sequenceOf(text), keysOf(text.length));
    }
    expect(found(cache, sequenceOf('xyzx'))).toBe(3);
    expect(found(cache, sequenceOf('abcdefg'))).toBe(6);
  });

  it('holds nothing where it has no room', () => {
    const cache = createPrefixCache({ maxBytes: 0, hiddenSize: HIDDEN });
    cache.keep(sequenceOf('abc'), keysOf(3));
    expect(cache.find(sequenceOf('abcd'))).toBeNull();
  });
});
