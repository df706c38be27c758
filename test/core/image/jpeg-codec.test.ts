import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Decoder } from '../../../src/core/image/decode.ts';
import { jpegEighths } from '../../../src/core/image/jpeg-scale.ts';
import { createJpegCodec, type OpenJpeg } from '../../../src/core/image/jpeg-codec.ts';
import type { PixelRows } from '../../../src/core/image/pixel-rows.ts';
import { preprocess } from '../../../src/core/image/preprocess.ts';
import { createDecoderHeap } from '../../../src/core/image/row-codec.ts';
import { sniffImage } from '../../../src/core/image/sniff.ts';
import { loadImageDecoder } from '../../../src/endpoint/image-codecs.ts';
import { collectRows } from '../../support/collect-rows.ts';
import { FLAT_GREY, flatJpeg } from '../../support/flat-jpeg.ts';
import { jpegModule } from '../../support/jpeg-module.ts';
import { goldenImages, readGoldenImage, visionOf } from './goldens.ts';
import { PARAM, refusal } from './refusal.ts';

let openJpeg: OpenJpeg;
let decoder: Decoder;
beforeAll(async () => {
  openJpeg = createJpegCodec(await jpegModule(), createDecoderHeap());
  decoder = await loadImageDecoder();
});

function opened(name: string, eighths: number): PixelRows {
  const file = readGoldenImage(`images/${name}`);
  return openJpeg(file, sniffImage(file, PARAM), eighths, PARAM);
}

/** sha256 of `im.draft(None, (w // s, h // s)); im.convert('RGB').tobytes()` by Pillow 13.0.0, which asks libjpeg likewise. */
const drafts = [
  ['photo-coast.jpg', 4, 640, 480, '12f735d13fa4e19a407739af77ba7c67977a4e1dd01363090ba60a061263a06f'],
  ['photo-coast.jpg', 2, 320, 240, '2dd67a19ae47990546879ff7ab9348f2201cac56b5dad008f0f4ab4cbcf3672c'],
  ['photo-coast.jpg', 1, 160, 120, '6e54a5752cb8fff7869ceef22b33d0ac563c18ee7674c5fc0c1b0570322e7a1c'],
  ['jpeg-420.jpg', 4, 81, 62, '93757d3483e0e7e292c54b067150e30ef6601cdaae937dabaa85f6f4249b19ec'],
  ['jpeg-progressive.jpg', 2, 41, 31, 'ec156a2ef9bee2fa3c534b91d3975b56a74fea6587ca367cfba3a75b4159adbd'],
  ['jpeg-grey.jpg', 4, 81, 62, 'b1acfc3f8fdaa4f64feac69813b20cd6187d87d46fc0141905912b9971821d9f'],
  ['jpeg-422.jpg', 1, 21, 16, 'c35f440d869f85cca7937d179f212feda8b46dbe8f3b5e99276b9b07993220d3'],
  ['jpeg-444.jpg', 2, 41, 31, '6270d5581bc6af7749af148ffefb61d98389fc179d2102d422727d390103a5ef'],
  ['jpeg-cmyk.jpg', 4, 81, 62, '27500a06a79a99f10cf50390314a01eccdfa82a99acc0e274e7d3b5676d01a97'],
  ['jpeg-ycck.jpg', 1, 21, 16, '5101102c6f3e8dcaaa9eb78d8300966ad6eaa3418214a21d50c7acb5fdbee72b'],
] as const;

describe('JPEG at a part of its size', () => {
  it.each(drafts)('%s at %i/8 is %i×%i and equals Pillow’s draft', async (name, eighths, width, height, sha256) => {
    const image = await collectRows(opened(name, eighths));
    expect({ width: image.width, height: image.height }).toEqual({ width, height });
    expect(createHash('sha256').update(image.data).digest('hex')).toBe(sha256);
  });

  it('is taken above 16 MP, and at a half where a picture is shrunk eightfold', () => {
    const eighths = (width: number, height: number, shrink = 1): number => jpegEighths({ width, height }, shrink);
    expect([eighths(4032, 3024, 7.99), eighths(4032, 3024, 8), eighths(2048, 2048, 18)]).toEqual([8, 4, 8]);
    expect([eighths(8193, 8192, 18), eighths(16_384, 12_288, 36)]).toEqual([2, 2]);
    expect([eighths(4032, 3024), eighths(4096, 4096)]).toEqual([8, 8]);
    expect([eighths(4097, 4096), eighths(8064, 6048)]).toEqual([4, 4]);
    expect([eighths(8193, 8192), eighths(16_384, 12_288)]).toEqual([2, 2]);
  });

  it('costs the model’s input less than a level on average', async () => {
    const name = 'photo-coast.jpg';
    const golden = goldenImages.find(({ file, mode }) => file === `images/${name}` && mode === 'square');
    const stored = sniffImage(readGoldenImage(`images/${name}`), PARAM);
    const input = (eighths: number) =>
      preprocess(stored, opened(name, eighths), visionOf('square'), PARAM, decoder.passes);
    const full = await input(8);
    expect(createHash('sha256').update(full.data).digest('hex')).toBe(golden?.pixelsSha256);
    // 1280 px become 112, as the 8064 px of 48 MP become 448 and more; at a half they are 640 before that.
    const half = await input(4);
    const differences = half.data.map((value, i) => Math.abs(value - (full.data[i] ?? 0)));
    const mean = differences.reduce((sum, value) => sum + value, 0) / differences.length;
    expect(mean).toBeGreaterThan(0);
    expect(mean).toBeLessThan(0.5);
    expect(Math.max(...differences)).toBeLessThanOrEqual(12);
  });
});

describe('one memory for all JPEGs', () => {
  it('keeps files apart that are opened and read across each other', async () => {
    const alone = await Promise.all(drafts.map(([name, eighths]) => collectRows(opened(name, eighths))));
    const together = drafts.map(([name, eighths]) => opened(name, eighths));
    const cut = readGoldenImage('images/photo-coast.jpg').subarray(0, 9000);
    const damaged = openJpeg(cut, { width: 1280, height: 960 }, 8, PARAM);
    await expect(damaged.read(() => {})).rejects.toThrow(refusal('invalid-image'));
    expect(await Promise.all(together.toReversed().map(collectRows))).toEqual(alone.toReversed());
  });

  it('refuses a file of another size than was declared', async () => {
    const rows = openJpeg(readGoldenImage('images/jpeg-420.jpg'), { width: 162, height: 123 }, 8, PARAM);
    await expect(rows.read(() => {})).rejects.toThrow(refusal('invalid-image', /162×123 px but holds 161×123 px/));
  });
});

describe('large JPEGs', () => {
  it.each([
    ['48 MP', 8064, 6048],
    ['200 MP', 16_384, 12_288],
    ['48 MP upright', 6048, 8064],
  ])('%s of one grey is that grey on black', async (_, width, height) => {
    const file = flatJpeg(width, height);
    const header = sniffImage(file, PARAM);
    const { data } = await preprocess(
      header,
      await decoder.open(file, header, PARAM),
      visionOf('square'),
      PARAM,
      decoder.passes,
    );
    expect(data[(56 * 112 + 56) * 3]).toBe(FLAT_GREY);
    expect(new Set(data.subarray(0, 3))).toEqual(new Set([0]));
    const grey = data.filter((value) => value === FLAT_GREY).length / data.length;
    expect(Math.abs(grey - 0.75)).toBeLessThan(0.05);
  });

  it('progressive: taken within the heap, refused by its header past it', async () => {
    const small = flatJpeg(4032, 3024, { progressive: true });
    const header = sniffImage(small, PARAM);
    const { data } = await preprocess(
      header,
      await decoder.open(small, header, PARAM),
      visionOf('square'),
      PARAM,
      decoder.passes,
    );
    expect(data[(56 * 112 + 56) * 3]).toBe(FLAT_GREY);
    expect(() => sniffImage(flatJpeg(10_000, 10_000, { progressive: true }), PARAM)).toThrow(
      refusal('image-too-large', /progressive/),
    );
  });

  it('cannot make libjpeg take more than its heap, whatever the header was taken for', async () => {
    const file = flatJpeg(10_000, 10_000, { progressive: true });
    const rows = openJpeg(file, { width: 10_000, height: 10_000 }, 8, PARAM);
    await expect(rows.read(() => {})).rejects.toThrow(refusal('invalid-image'));
  });
});
