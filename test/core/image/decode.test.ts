import { beforeAll, describe, expect, it } from 'vitest';
import type { Decoder } from '../../../src/core/image/decode.ts';
import type { Rgb } from '../../../src/core/image/rgb.ts';
import { sniffImage } from '../../../src/core/image/sniff.ts';
import { RequestError } from '../../../src/core/protocol/failure.ts';
import { loadImageDecoder } from '../../../src/endpoint/image-codecs.ts';
import { bytes, png, pngChunk } from './container-bytes.ts';
import { collectRows } from '../../support/collect-rows.ts';
import { readGoldenImage } from './goldens.ts';
import { PARAM, refusal } from './refusal.ts';

let decoder: Decoder;
beforeAll(async () => {
  decoder = await loadImageDecoder();
});

async function readRows(file: Uint8Array): Promise<Rgb> {
  return collectRows(await decoder.open(file, sniffImage(file, PARAM), PARAM));
}

/** Outcome of reading a file that may be anything: whatever is no RequestError about PARAM is a bug and is thrown on. */
async function outcome(file: Uint8Array): Promise<'image' | 'refused'> {
  try {
    await readRows(file);
    return 'image';
  } catch (error) {
    if (error instanceof RequestError && 'param' in error.failure && error.failure.param === PARAM) {
      return 'refused';
    }
    throw error;
  }
}

const small = [
  'images/exif-1-jpeg.jpg',
  'images/jpeg-progressive.jpg',
  'images/jpeg-cmyk.jpg',
  'images/png-palette-4-bit.png',
  'images/size-20x20.png',
  'images/webp-lossy.webp',
  'images/webp-lossy-alpha.webp',
  'images/exif-8-webp.webp',
];

describe.each(small)('%s', (name) => {
  const file = readGoldenImage(name);

  it('is refused when cut at every tenth byte and at every one of the last twenty', async () => {
    const cuts = Array.from({ length: Math.ceil(file.length / 10) }, (_, i) => i * 10);
    const last = Array.from({ length: 20 }, (_, i) => file.length - 1 - i);
    for (const length of [...cuts, ...last]) {
      expect(await outcome(file.subarray(0, length)), `cut to ${length} of ${file.length} bytes`).toBe('refused');
    }
  });

  it('gives an image or a refusal, never another error, when bytes are changed', async () => {
    const outcomes = new Set<string>();
    for (let at = 0; at < file.length; at += Math.ceil(file.length / 150)) {
      outcomes.add(await outcome(file.with(at, (file[at] ?? 0) ^ 0xff)));
    }
    expect(outcomes).toContain('refused');
  });

  it('still decodes after all that', async () => {
    expect(await outcome(file)).toBe('image');
  });
});

it('refuses a thousand damaged PNGs and then reads a good one', async () => {
  const damaged = png(64, 64, pngChunk('IDAT', bytes([0x78, 0x9c, 1, 2, 3])));
  for (let i = 0; i < 1000; i++) {
    await expect(readRows(damaged)).rejects.toThrow(refusal('invalid-image'));
  }
  expect(await readRows(readGoldenImage('images/size-20x20.png'))).toMatchObject({ width: 20, height: 20 });
});

it('refuses pixels of another size than the header', async () => {
  const file = readGoldenImage('images/size-20x20.png');
  const header = sniffImage(file, PARAM);
  const rows = await decoder.open(file, { ...header, width: 21 }, PARAM);
  await expect(rows.read(() => {})).rejects.toThrow(refusal('invalid-image', /21×20 px but holds 20×20 px/));
});

it('keeps files of all formats apart that are opened and read across each other, in one memory', async () => {
  const files = small.map(readGoldenImage);
  const alone = await Promise.all(files.map(readRows));
  const together = await Promise.all(files.map((file) => decoder.open(file, sniffImage(file, PARAM), PARAM)));
  expect(await Promise.all(together.toReversed().map(collectRows))).toEqual(alone.toReversed());
});

it('ends where its reader throws, and decodes the next file', async () => {
  const file = readGoldenImage('images/webp-lossy.webp');
  const rows = await decoder.open(file, sniffImage(file, PARAM), PARAM);
  const enough = new Error('enough');
  let count = 0;
  const take = (): void => {
    count += 1;
    if (count === 20) {
      throw enough;
    }
  };
  await expect(rows.read(take)).rejects.toBe(enough);
  expect(count).toBe(20);
  expect(await outcome(file)).toBe('image');
});
