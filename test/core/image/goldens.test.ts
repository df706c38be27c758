import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Decoder } from '../../../src/core/image/decode.ts';
import { uprightSize } from '../../../src/core/image/orientation.ts';
import { patchify } from '../../../src/core/image/patchify.ts';
import { rowsOf } from '../../../src/core/image/pixel-rows.ts';
import { preprocess } from '../../../src/core/image/preprocess.ts';
import type { Rgb } from '../../../src/core/image/rgb.ts';
import { sniffImage } from '../../../src/core/image/sniff.ts';
import { smartResize } from '../../../src/core/image/smart-resize.ts';
import { loadImageDecoder } from '../../../src/endpoint/image-codecs.ts';
import { PARAM, refusal } from './refusal.ts';
import { goldenImages, goldenSizes, readGoldenImage, goldenTensor, visionOf } from './goldens.ts';

let decoder: Decoder;
beforeAll(async () => {
  decoder = await loadImageDecoder();
});

async function inputOf(file: string, vision: ReturnType<typeof visionOf>): Promise<Rgb> {
  const bytes = readGoldenImage(file);
  const header = sniffImage(bytes, PARAM);
  return preprocess(header, await decoder.open(bytes, header, PARAM), vision, PARAM, decoder.passes);
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function largestDifference(found: Uint8Array, expected: Uint8Array): number {
  return expected.reduce((largest, value, i) => Math.max(largest, Math.abs(value - (found[i] ?? -1))), 0);
}

/** This one is the file of `png-grey16` as decoders other than Pillow read it; ours reads it as Pillow does. */
const pillow = goldenImages.filter(({ name }) => name !== 'png-grey16-high-byte');

describe.each(pillow)('$name, $mode', (golden) => {
  it('equals Pillow in every byte', async () => {
    const header = sniffImage(readGoldenImage(golden.file), PARAM);
    expect(uprightSize(header, header.orientation)).toEqual({ width: golden.width, height: golden.height });

    const input = await inputOf(golden.file, visionOf(golden.mode));
    const [rows, columns] = golden.grid;
    expect({ width: input.width, height: input.height }).toEqual({ width: columns * 14, height: rows * 14 });
    expect(largestDifference(input.data, await goldenTensor(golden, 'pixels')), 'largest difference').toBe(0);
    expect(sha256(input.data)).toBe(golden.pixelsSha256);
  });

  it('is left alone once it is model-sized', async () => {
    const vision = visionOf(golden.mode);
    const input = await inputOf(golden.file, vision);
    expect(await preprocess({ ...input, orientation: 1 }, rowsOf(input), vision, PARAM, decoder.passes)).toEqual(input);
  });
});

it.each(pillow.filter(({ pixels448Sha256 }) => pixels448Sha256))('$name equals Pillow at 448 px', async (golden) => {
  const input = await inputOf(golden.file, visionOf('square', 448));
  expect(sha256(input.data)).toBe(golden.pixels448Sha256);
});

it.each(pillow.filter(({ nativeError }) => nativeError))('$name is refused in native mode', async (golden) => {
  await expect(inputOf(golden.file, visionOf('native'))).rejects.toThrow(refusal('invalid-image'));
});

it('covers every format and colour kind that the decoders treat apart', () => {
  const names = pillow.map(({ name }) => name);
  const kinds = ['jpeg-cmyk', 'jpeg-ycck', 'jpeg-progressive', 'png-grey16', 'png-interlaced', 'webp-lossless-alpha'];
  expect(names).toEqual(expect.arrayContaining([...kinds, ...[1, 2, 3, 4, 5, 6, 7, 8].map((n) => `exif-${n}-jpeg`)]));
});

it.each(pillow.filter(({ mode }) => mode === 'native'))('$name is cut as the reference cuts it', async (golden) => {
  const input = await inputOf(golden.file, visionOf(golden.mode));
  const [rows, cols] = golden.grid;
  expect(patchify(input, 14)).toEqual({ data: await goldenTensor(golden, 'patches'), rows, cols });
});

describe('smartResize', () => {
  it.each(goldenSizes.filter(({ resized }) => resized))('$width×$height becomes $resized', (golden) => {
    const [height, width] = golden.resized ?? [];
    expect(smartResize(golden.height, golden.width, { factor: 14, ...golden }, PARAM)).toEqual({ height, width });
  });

  it.each([14 * 14 * 144, 14 * 14 * 4000])('leaves a size alone that it made, below %i pixels', (maxPixels) => {
    const bounds = { factor: 14, minPixels: 56 * 56, maxPixels };
    const edges = Array.from({ length: 40 }, (_, i) => Math.round(14 * 1.17 ** i));
    for (const height of edges) {
      for (const width of edges.filter((edge) => Math.max(edge, height) <= 20 * Math.min(edge, height))) {
        const size = smartResize(height, width, bounds, PARAM);
        expect([height, width, smartResize(size.height, size.width, bounds, PARAM)]).toEqual([height, width, size]);
      }
    }
  });

  it.each(goldenSizes.filter(({ error }) => error))('refuses $error', (golden) => {
    expect(() => smartResize(golden.height, golden.width, { factor: 14, ...golden }, PARAM)).toThrow(
      refusal('invalid-image'),
    );
  });
});
