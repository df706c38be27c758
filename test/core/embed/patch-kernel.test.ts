import { createHash } from 'node:crypto';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import { f32ToBf16 } from '../../../src/core/bytes/float.ts';
import { readFoldedWeights } from '../../../src/core/embed/folded-weights.ts';
import { createPatchKernel, type PatchKernel } from '../../../src/core/embed/patch-kernel.ts';
import type { Patches } from '../../../src/core/image/patchify.ts';
import type { FoldedEmbedding } from '../../../src/core/model/fold.ts';
import { patchEmbedGraph } from '../../../weights-tools/onnx/patch-embed-graph.ts';
import { kernelModule } from '../../support/patch-kernel.ts';

let module: Awaited<ReturnType<typeof kernelModule>>;

beforeAll(async () => {
  module = await kernelModule();
});

interface Shape {
  patchLength: number;
  hidden: number;
  normColumns: number;
  side: number;
}

/** Weights in (−1, 1) by Knuth's multiplicative hash: the same bits on every machine. */
function foldedOf({ patchLength, hidden, normColumns, side }: Shape, change: Partial<FoldedEmbedding> = {}) {
  let at = 0;
  const tensor = (length: number): Float32Array =>
    Float32Array.from({ length }, () => (Math.imul(++at, 2654435761) >> 8) / 2 ** 23);
  return {
    patchLength,
    hidden,
    visionHidden: 2 * normColumns,
    eps: 1e-6,
    centre: Float32Array.from({ length: patchLength }, (_, i) => 104 + (i % 20)),
    content: tensor((patchLength + 1) * hidden),
    norm: tensor((patchLength + 1) * normColumns),
    positions: tensor(side * side * hidden),
    ...change,
  };
}

function patchesOf(folded: FoldedEmbedding, rows: number, cols: number, byteAt?: (i: number) => number): Patches {
  const length = rows * cols * folded.patchLength;
  return {
    data: Uint8Array.from({ length }, (_, i) => byteAt?.(i) ?? Math.imul(i + 1, 2654435761) >>> 24),
    rows,
    cols,
  };
}

function kernelOf(folded: FoldedEmbedding): PatchKernel {
  return createPatchKernel(module, readFoldedWeights('patch_embed.onnx', patchEmbedGraph(folded).encode()));
}

/** ONNX Runtime on the graph that the exporter writes. */
async function embedByOnnx(folded: FoldedEmbedding, { data, rows, cols }: Patches): Promise<Float32Array> {
  const session = await InferenceSession.create(patchEmbedGraph(folded).encode());
  const { embeddings } = await session.run({
    patches: new Tensor('uint8', data, [rows * cols, data.length / (rows * cols)]),
    grid: new Tensor('int64', BigInt64Array.of(BigInt(rows), BigInt(cols)), [2]),
  });
  await session.release();
  return embeddings?.data as Float32Array;
}

/** The largest ‖found − expected‖ / ‖expected‖ of a row. */
function worstRow(found: Float32Array, expected: Float32Array, hidden: number): number {
  expect(found.length).toBe(expected.length);
  let worst = 0;
  for (let start = 0; start < expected.length; start += hidden) {
    let error = 0;
    let norm = 0;
    for (let i = start; i < start + hidden; i++) {
      error += ((found[i] ?? Number.NaN) - (expected[i] ?? 0)) ** 2;
      norm += (expected[i] ?? 0) ** 2;
    }
    worst = Math.max(worst, Math.sqrt(error / norm));
  }
  return worst;
}

const SHAPES: [string, Shape, [number, number][]][] = [
  [
    'whole panels and blocks',
    { patchLength: 48, hidden: 64, normColumns: 32, side: 16 },
    [
      [8, 8],
      [16, 16],
    ],
  ],
  [
    'a patch of odd length',
    { patchLength: 147, hidden: 40, normColumns: 148, side: 4 },
    [
      [1, 1],
      [4, 4],
    ],
  ],
  [
    'columns that fill no panel',
    { patchLength: 27, hidden: 13, normColumns: 7, side: 3 },
    [
      [1, 5],
      [3, 3],
    ],
  ],
  [
    'more patches than positions',
    { patchLength: 12, hidden: 8, normColumns: 13, side: 4 },
    [
      [5, 7],
      [1, 40],
      [23, 9],
    ],
  ],
  [
    'one position',
    { patchLength: 12, hidden: 4, normColumns: 3, side: 1 },
    [
      [1, 1],
      [3, 2],
    ],
  ],
];

describe('patch kernel', () => {
  it.each(SHAPES)('%s: close to ONNX Runtime', async (_, shape, grids) => {
    const folded = foldedOf(shape);
    const kernel = kernelOf(folded);
    for (const [rows, cols] of grids) {
      const patches = patchesOf(folded, rows, cols);
      const expected = await embedByOnnx(folded, patches);
      expect(worstRow(kernel.embed(patches), expected, folded.hidden), `${rows} × ${cols}`).toBeLessThan(1e-4);
    }
  });

  it('stays exact where a sum of 32 bits would overflow', async () => {
    const shape = { patchLength: 3 * 32 * 32, hidden: 8, normColumns: 8, side: 2 };
    const all = (length: number): Float32Array => new Float32Array(length).fill(0.75);
    const folded = foldedOf(shape, {
      content: all((shape.patchLength + 1) * shape.hidden),
      norm: all((shape.patchLength + 1) * shape.normColumns),
    });
    for (const byte of [0, 255]) {
      const patches = patchesOf(folded, 1, 2, () => byte);
      const expected = await embedByOnnx(folded, patches);
      expect(worstRow(kernelOf(folded).embed(patches), expected, shape.hidden)).toBeLessThan(1e-4);
    }
  });

  it('keeps what a patch of the mean colour has: the bias alone, to the last bits of f32', async () => {
    const folded = foldedOf({ patchLength: 48, hidden: 16, normColumns: 16, side: 2 });
    const patches = patchesOf(folded, 1, 3, (i) => folded.centre[i % 48] ?? 0);
    const expected = await embedByOnnx(folded, patches);
    expect(worstRow(kernelOf(folded).embed(patches), expected, folded.hidden)).toBeLessThan(1e-6);
  });

  it('leaves nothing of one call in the next', () => {
    const folded = foldedOf({ patchLength: 27, hidden: 13, normColumns: 7, side: 3 });
    const kernel = kernelOf(folded);
    const small = patchesOf(folded, 1, 3);
    const first = kernel.embed(small);
    kernel.embed(patchesOf(folded, 11, 13, (i) => 255 - (i % 256)));
    expect(kernel.embed(small)).toEqual(first);
  });

  it('does not depend on which patches are beside a patch', () => {
    const folded = foldedOf({ patchLength: 48, hidden: 24, normColumns: 16, side: 12 });
    const kernel = kernelOf(folded);
    const all = patchesOf(folded, 1, 137);
    const whole = kernel.embed(all);
    for (const count of [1, 2, 63, 64, 65, 137]) {
      const part = kernel.embed({ data: all.data.subarray(0, 48 * count), rows: 1, cols: count });
      expect(part).toEqual(whole.subarray(0, 24 * count));
    }
  });

  it('embeds patches that are alike as if they were not, each at its position', () => {
    const folded = foldedOf({ patchLength: 27, hidden: 13, normColumns: 7, side: 9 });
    const kernel = kernelOf(folded);
    const bare = kernelOf({ ...folded, positions: new Float32Array(folded.positions.length) });
    // Two kinds in turn, a third that begins as they do, then blank rows, over more than one block.
    const patches = patchesOf(folded, 9, 9, (i) => {
      const place = Math.floor(i / 27);
      return place < 60 ? (place % 2) * 200 + (i % 27) : place === 60 && i % 27 === 26 ? 9 : 0;
    });
    const whole = kernel.embed(patches);
    for (let place = 0; place < 81; place++) {
      const alone = bare.embed({ data: patches.data.subarray(27 * place, 27 * (place + 1)), rows: 1, cols: 1 });
      const position = folded.positions.subarray(13 * place, 13 * (place + 1));
      expect(whole.subarray(13 * place, 13 * (place + 1)), `place ${place}`).toEqual(
        alone.map((value, i) => Math.fround(value + (position[i] ?? 0))),
      );
    }
  });

  it.each(SHAPES)('%s: gives the nearest bf16', (_, shape, grids) => {
    const folded = foldedOf(shape);
    const kernel = kernelOf(folded);
    for (const [rows, cols] of grids) {
      const patches = patchesOf(folded, rows, cols);
      expect(kernel.embedBf16(patches)).toEqual(f32ToBf16(kernel.embed(patches)));
    }
  });

  it('rounds a number halfway between two bf16 to the even one', () => {
    const shape = { patchLength: 12, hidden: 8, normColumns: 4, side: 1 };
    const zeros = (rows: number, columns: number): Float32Array => new Float32Array(rows * columns);
    const positions = Float32Array.of(
      1 + 2 ** -8,
      1 + 3 * 2 ** -8,
      -1 - 2 ** -8,
      1 + 2 ** -8 + 2 ** -23,
      0,
      -2.5,
      3e38,
      1,
    );
    const folded = foldedOf(shape, { content: zeros(13, 8), norm: zeros(13, 4), positions });
    const found = kernelOf(folded).embedBf16(patchesOf(folded, 1, 1));
    expect([...found].map((bits) => bits.toString(16))).toEqual([
      '3f80',
      '3f82',
      'bf80',
      '3f81',
      '0',
      'c020',
      '7f62',
      '3f80',
    ]);
  });

  // Whole numbers and f32 in a fixed order: whatever machine runs this must come to these bytes.
  it('gives the bytes that it gives everywhere', () => {
    const folded = foldedOf({ patchLength: 147, hidden: 40, normColumns: 148, side: 4 });
    const sum = createHash('sha256');
    for (const [rows, cols] of [
      [4, 4],
      [7, 5],
    ] as const) {
      sum.update(kernelOf(folded).embed(patchesOf(folded, rows, cols)));
    }
    expect(sum.digest('hex')).toBe('561d9d13e4688a3de82be689ab2d350a9737c755c48abe329ccdb0f3a87055f0');
  });

  it('refuses patches of another size', () => {
    const kernel = kernelOf(foldedOf({ patchLength: 48, hidden: 16, normColumns: 16, side: 2 }));
    expect(() => kernel.embed({ data: new Uint8Array(3), rows: 1, cols: 1 })).toThrow(RangeError);
  });
});
