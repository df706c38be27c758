import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type Orientation, placeUpright, uprightSize } from '../../../src/core/image/orientation.ts';
import { type Canvas, squareCanvas, tightCanvas } from '../../../src/core/image/pad.ts';
import { plainPasses } from '../../../src/core/image/plain-passes.ts';
import type { ResizePasses } from '../../../src/core/image/resize-passes.ts';
import { createRowResizer } from '../../../src/core/image/row-resizer.ts';
import type { Rgb } from '../../../src/core/image/rgb.ts';
import { createSimdPasses } from '../../../src/core/image/simd-passes.ts';
import { resizeModule } from '../../support/resize-module.ts';

type Resize = (source: Rgb, width: number, height: number, canvas?: Canvas, orientation?: Orientation) => Rgb;

/** A whole image through the resizer. */
function resizeBicubic(
  passes: ResizePasses,
  source: Rgb,
  width: number,
  height: number,
  canvas: Canvas = tightCanvas(source),
  orientation: Orientation = 1,
): Rgb {
  const resizer = createRowResizer({ stored: source, orientation, canvas, width, height }, passes);
  for (let y = 0; y < source.height; y++) {
    resizer.push(source.data.subarray(y * source.width * 3, (y + 1) * source.width * 3));
  }
  return resizer.finish();
}

/** xorshift32: the same pictures on every run. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

function noise(width: number, height: number, seed: number): Rgb {
  const random = createRandom(seed);
  return { width, height, data: Uint8Array.from({ length: width * height * 3 }, () => random() * 256) };
}

/** The definition, in float64 and without rounding between the axes: Keys' cubic, a = -0.5, stretched when shrinking. */
function naive(source: Rgb, width: number, height: number): number[] {
  const horizontal = weights(source.width, width);
  const vertical = weights(source.height, height);
  const out: number[] = [];
  for (const rowWeights of vertical) {
    for (const columnWeights of horizontal) {
      for (let channel = 0; channel < 3; channel++) {
        let sum = 0;
        for (const [y, wy] of rowWeights.entries()) {
          for (const [x, wx] of columnWeights.entries()) {
            sum += wy * wx * (source.data[(y * source.width + x) * 3 + channel] ?? 0);
          }
        }
        out.push(Math.min(Math.max(sum, 0), 255));
      }
    }
  }
  return out;
}

function weights(from: number, to: number): number[][] {
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  return Array.from({ length: to }, (_, i) => {
    const row = Array.from({ length: from }, (_, x) => cubic((x + 0.5 - (i + 0.5) * scale) / stretch));
    const sum = row.reduce((a, b) => a + b, 0);
    return row.map((weight) => weight / sum);
  });
}

function cubic(distance: number): number {
  const x = Math.abs(distance);
  if (x <= 1) {
    return 1.5 * x ** 3 - 2.5 * x ** 2 + 1;
  }
  return x < 2 ? -0.5 * x ** 3 + 2.5 * x ** 2 - 4 * x + 2 : 0;
}

const sizes = [
  [1, 1, 7, 5],
  [5, 4, 5, 9],
  [9, 9, 3, 3],
  [31, 7, 14, 14],
  [7, 31, 14, 28],
  [13, 90, 28, 14],
  [40, 40, 1, 1],
] as const;

/** Byte i is the top byte of i · 2654435761 mod 2^32: noise that numpy makes just as easily. */
function scrambled(width: number, height: number): Rgb {
  return {
    width,
    height,
    data: Uint8Array.from({ length: width * height * 3 }, (_, i) => Math.imul(i, 2654435761) >>> 24),
  };
}

/** sha256 of `Image.resize((w, h), BICUBIC).tobytes()` on that noise, by Pillow 13.0.0; the marked ones go height first. */
const pillow = [
  [37, 23, 14, 14, 'c0ed600a4f847104a39552a740e8c4e0e7290cf4b209bcf213602d3b8ccf116e'],
  [23, 37, 56, 28, '9b987bf4a41c91437b5368930f5f42a206362a873bdc245857d6da33dc94ac87'], // height first
  [9, 5, 28, 42, '9c1a9b5d8b13efec5681aa9cc534baa1f2a2431e1e0d98c8cfee97a2edfbe7fb'],
  [100, 300, 98, 14, '095d1e5c62ce15d09bfb7fe7ba229140757cf6b96e630cd38c4e4e372f3f8630'], // height first
  [100, 300, 42, 126, '0c5481d7e0fe195b5fe2ed0b254e77aeabac3afe025e39d24c4bbdb84a74eb88'], // height first
  [60, 200, 112, 112, 'd38754c382a7c65039aa35c348835be6813c948ad6c0895e33d791967890e0c1'], // height first
  [60, 100, 14, 28, 'b0b33eb1e78033aa75a59af4618ccc194fef9abdd306ca29c0be54996306e0b0'],
  [300, 100, 14, 112, 'a159a20c7f50a034e027a27fcaa6c89978c80f2709a467716df498abeffe87f4'],
  [13, 2000, 14, 700, 'd9f58061a316ec69ffca71f4d6d6402814598aa736ab7da7462d52d0eb507da4'], // height first
  [64, 64, 64, 14, 'c7972127d8b92bdaad639f4f5515c4452e63a8b01bb63104769e27868941561b'], // height only
  [64, 64, 14, 64, 'bf28ab84a07d9a544c351e290c3edb49f9948ef4c153ed3b3b6154b60b0cdd0d'], // width only
] as const;

const implementations: [string, ResizePasses][] = [
  ['plain', plainPasses],
  ['simd', createSimdPasses(await resizeModule())],
];

describe.each(implementations)('createRowResizer, %s', (_name, passes) => {
  const resize: Resize = (...args) => resizeBicubic(passes, ...args);

  it.each(pillow)('%i×%i → %i×%i equals Pillow', (w, h, width, height, sha256) => {
    const { data } = resize(scrambled(w, h), width, height);
    expect(createHash('sha256').update(data).digest('hex')).toBe(sha256);
  });

  it.each(sizes)('%i×%i → %i×%i is the cubic convolution, but for rounding and clipping', (w, h, width, height) => {
    // Half the range, so that clipping after the first pass, which the definition lacks, stays out of the picture.
    const source = noise(w, h, 7);
    const data = source.data.map((value) => 64 + value / 2);
    const found = resize({ ...source, data }, width, height);
    const expected = naive({ ...source, data }, width, height);
    // Half a level from each of two roundings; the first may be amplified by the second pass's negative lobes.
    expect(Math.max(...expected.map((value, i) => Math.abs(value - (found.data[i] ?? -1))))).toBeLessThan(1.2);
  });

  it.each(sizes)('%i×%i → %i×%i keeps a flat colour flat', (w, h, width, height) => {
    const source = { width: w, height: h, data: new Uint8Array(w * h * 3).fill(255) };
    expect(resize(source, width, height).data).toEqual(new Uint8Array(width * height * 3).fill(255));
  });

  it.each([
    [30, 20, 14],
    [20, 31, 14],
    [20, 13, 20],
    [5, 8, 8],
    [1, 9, 28],
    [50, 1, 14],
  ])('a black canvas around %i×%i gives what filled-in black gives, at %i px', (width, height, edge) => {
    const image = noise(width, height, 3);
    const canvas = squareCanvas(image);
    const filled = new Uint8Array(canvas.width * canvas.height * 3);
    for (let y = 0; y < height; y++) {
      const row = image.data.subarray(y * width * 3, (y + 1) * width * 3);
      filled.set(row, ((y + canvas.top) * canvas.width + canvas.left) * 3);
    }
    const expected = resize({ width: canvas.width, height: canvas.height, data: filled }, edge, edge);
    expect(resize(image, edge, edge, canvas)).toEqual(expected);
  });

  it.each([
    [30, 20, 14, 14],
    [20, 31, 14, 28],
    [40, 90, 28, 14],
    [90, 40, 14, 28],
    [5, 8, 16, 16],
  ])('resizes %i×%i to %i×%i in any orientation as it resizes the upright picture', (w, h, width, height) => {
    for (const orientation of [1, 2, 3, 4, 5, 6, 7, 8] as const) {
      const stored = noise(w, h, 11);
      const upright = placeUpright(stored, orientation);
      for (const place of [squareCanvas, tightCanvas]) {
        const canvas = place(uprightSize(stored, orientation));
        const found = resize(stored, width, height, canvas, orientation);
        expect(found, `orientation ${orientation}`).toEqual(resize(upright, width, height, canvas));
      }
    }
  });

  it('overshoots at an edge and clips it', () => {
    const data = Uint8Array.from({ length: 12 }, (_, i) => (i < 6 ? 0 : 255));
    const { data: found } = resize({ width: 4, height: 1, data }, 16, 1);
    expect([Math.min(...found), Math.max(...found)]).toEqual([0, 255]);
  });

  it('survives the coefficient sums of extreme pictures in 32 bits', () => {
    // Alternating black and white drives the sums to their extremes; a wrapped sum would show as a wild value.
    for (const [from, to] of [
      [2, 3],
      [3, 2],
      [64, 63],
      [63, 64],
      [200, 3],
    ] as const) {
      const data = Uint8Array.from({ length: from * 3 }, (_, i) => (Math.floor(i / 3) % 2 === 0 ? 0 : 255));
      const expected = naive({ width: from, height: 1, data }, to, 1);
      const { data: found } = resize({ width: from, height: 1, data }, to, 1);
      expect(Math.max(...expected.map((value, i) => Math.abs(value - (found[i] ?? -1))))).toBeLessThan(0.51);
    }
  });
});

describe('squareCanvas', () => {
  it('centres the image; the odd pixel of black comes after it', () => {
    expect(squareCanvas({ width: 5, height: 2 })).toEqual({ width: 5, height: 5, left: 0, top: 1 });
    expect(squareCanvas({ width: 3, height: 500 })).toEqual({ width: 500, height: 500, left: 248, top: 0 });
    expect(squareCanvas({ width: 4, height: 4 })).toEqual({ width: 4, height: 4, left: 0, top: 0 });
  });
});
