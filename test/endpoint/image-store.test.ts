import { describe, expect, it } from 'vitest';
import { createImageStore } from '../../src/endpoint/image-store.ts';

describe('the store of images', () => {
  it('stays within its bytes, and lets go of the longest unused', () => {
    const store = createImageStore(3 * 8);
    const image = (value: number, size = 2) => new Float32Array(size).fill(value);
    ['a', 'b', 'c'].forEach((uuid, i) => store.put(uuid, image(i)));
    expect(store.get('a')).toEqual(image(0));
    store.put('d', image(3));
    expect(['a', 'b', 'c', 'd'].map((uuid) => store.get(uuid)?.[0] ?? null)).toEqual([0, null, 2, 3]);
    store.put('a', image(9, 4));
    expect(['a', 'c', 'd'].map((uuid) => store.get(uuid)?.[0] ?? null)).toEqual([9, null, 3]);
    store.put('d', image(1, 7));
    expect(['a', 'd'].map((uuid) => store.get(uuid)?.[0] ?? null)).toEqual([9, null]);
  });
});
