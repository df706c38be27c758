import { InferenceSession, Tensor } from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import type { FoldedEmbedding } from '../../../src/core/model/fold.ts';
import { patchEmbedGraph } from '../../../weights-tools/onnx/patch-embed-graph.ts';

const HIDDEN = 3;
const SIDE = 4;
/** A table whose entries say where they come from: row · 100 + column · 10 + channel. */
const positions = Float32Array.from({ length: SIDE * SIDE * HIDDEN }, (_, i) => {
  const place = Math.floor(i / HIDDEN);
  return Math.floor(place / SIDE) * 100 + (place % SIDE) * 10 + (i % HIDDEN);
});
/** The content of a patch is its first byte less 100, over its root mean square: ±1. */
const folded: FoldedEmbedding = {
  patchLength: 2,
  hidden: HIDDEN,
  visionHidden: 1,
  eps: 1e-12,
  centre: Float32Array.of(100, 100),
  content: Float32Array.of(1, 1, 1, 0, 0, 0, 0, 0, 0),
  norm: Float32Array.of(1, 0, 0),
  positions,
};
let session: InferenceSession;

async function embed(bytes: Uint8Array, rows: number, columns: number): Promise<Float32Array> {
  const { embeddings } = await session.run({
    patches: new Tensor('uint8', bytes, [rows * columns, 2]),
    grid: new Tensor('int64', BigInt64Array.of(BigInt(rows), BigInt(columns)), [2]),
  });
  expect(embeddings?.dims).toEqual([rows * columns, HIDDEN]);
  return embeddings?.data as Float32Array;
}

/** One axis of a bilinear resize with half-pixel centres (torch's interpolate, align_corners=False). */
function sample(place: number, size: number): number {
  return Math.min(Math.max(((place + 0.5) * SIDE) / size - 0.5, 0), SIDE - 1);
}

beforeAll(async () => {
  session = await InferenceSession.create(patchEmbedGraph(folded).encode());
});

describe('patch embedding graph', () => {
  it('centres bytes, divides by the norm and adds the position', async () => {
    const found = await embed(Uint8Array.of(105, 0, 90, 255), 1, 2);
    expect([...found]).toEqual([1, 2, 3, 9, 10, 11]);
  });

  it.each([
    [2, 3],
    [3, 2],
    [1, 16],
    [4, 4],
  ])('takes the first rows of the table for up to its size, whatever the grid: %i × %i', async (rows, columns) => {
    const found = await embed(new Uint8Array(rows * columns * 2).fill(101), rows, columns);
    expect([...found]).toEqual([...positions.subarray(0, rows * columns * HIDDEN)].map((value) => value + 1));
  });

  it.each([
    [5, 4],
    [1, 17],
    [9, 7],
    [2, 40],
    [20, 1],
  ])('resizes the table above: %i × %i', async (rows, columns) => {
    const found = await embed(new Uint8Array(rows * columns * 2).fill(101), rows, columns);
    for (let i = 0; i < found.length; i += 1) {
      const place = Math.floor(i / HIDDEN);
      const expected =
        1 + sample(Math.floor(place / columns), rows) * 100 + sample(place % columns, columns) * 10 + (i % HIDDEN);
      expect(found[i]).toBeCloseTo(expected, 3);
    }
  });

  it('gives equal bytes on every run', async () => {
    const bytes = Uint8Array.from({ length: 126 * 2 }, (_, i) => (i * 97) % 256);
    const first = await embed(bytes, 14, 9);
    for (let run = 0; run < 5; run += 1) {
      expect(await embed(bytes, 14, 9)).toEqual(first);
    }
  });
});
