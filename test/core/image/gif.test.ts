import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Decoder } from '../../../src/core/image/decode.ts';
import { sniffImage } from '../../../src/core/image/sniff.ts';
import { RequestError } from '../../../src/core/protocol/failure.ts';
import { loadImageDecoder } from '../../../src/endpoint/image-codecs.ts';
import { collectRows } from '../../support/collect-rows.ts';
import { PARAM, refusal } from './refusal.ts';

/** A file, and what Pillow makes of it; see make.py beside it. */
interface Expected {
  name: string;
  gif: string;
  width: number;
  height: number;
  rgbSha256: string;
}

const list = readFileSync(new URL('../../fixtures/gif/gifs.json', import.meta.url), 'utf8');
const files = (JSON.parse(list) as Expected[]).map(({ gif, ...rest }) => ({
  ...rest,
  file: Buffer.from(gif, 'base64'),
}));
const small = files.filter(({ file }) => file.length < 1500);

let decoder: Decoder;
beforeAll(async () => {
  decoder = await loadImageDecoder();
});

async function read(file: Uint8Array) {
  return collectRows(await decoder.open(file, sniffImage(file, PARAM), PARAM));
}

async function outcome(file: Uint8Array): Promise<'image' | 'refused'> {
  try {
    await read(file);
    return 'image';
  } catch (error) {
    if (error instanceof RequestError && 'param' in error.failure && error.failure.param === PARAM) {
      return 'refused';
    }
    throw error;
  }
}

describe('the first frame of a GIF', () => {
  it.each(files)('is what Pillow sees: $name', async ({ file, width, height, rgbSha256 }) => {
    const { data, ...size } = await read(file);
    expect(size).toEqual({ width, height });
    expect(createHash('sha256').update(data).digest('hex')).toBe(rgbSha256);
  });

  it('is refused where its data ends early', async () => {
    for (const { file, name } of small) {
      for (let length = 6; length < file.length - 12; length += 7) {
        const found = await outcome(file.subarray(0, length));
        // Of two frames the second may be cut off.
        expect(found, `${name}, cut to ${length} of ${file.length} bytes`).toBe(
          name === 'two frames' && found === 'image' ? 'image' : 'refused',
        );
      }
    }
  });

  it('gives an image or a refusal, never another error, when bytes are changed', async () => {
    const outcomes = new Set<string>();
    for (const { file } of small) {
      for (let at = 6; at < file.length; at += 3) {
        for (const flip of [0xff, 0x01]) {
          outcomes.add(await outcome(Uint8Array.from(file).with(at, (file[at] ?? 0) ^ flip)));
        }
      }
    }
    expect(outcomes).toEqual(new Set(['image', 'refused']));
  });

  it('is refused before any decode where screen or frame are too large', () => {
    const [first] = files;
    const file = Uint8Array.from(first?.file ?? []);
    expect(() => sniffImage(file.with(7, 0x20).with(9, 0x20), PARAM)).toThrow(refusal('image-too-large'));
    expect(() => sniffImage(file.with(7, 0xff), PARAM)).toThrow(refusal('image-too-large'));
    expect(() => sniffImage(file.with(7, 0x02), PARAM)).toThrow(refusal('invalid-image'));
  });
});

describe('a format without a decoder', () => {
  const box = (brand: string) => Uint8Array.from(`\0\0\0\x18ftyp${brand}\0\0\0\0`, (c) => c.charCodeAt(0));
  it.each([
    ['an AVIF sequence', box('avis')],
    ['HEIC', box('heic')],
    ['HEIF', box('mif1')],
    ['BMP', new Uint8Array([0x42, 0x4d, 0, 0])],
    ['TIFF', new Uint8Array([0x49, 0x49, 0x2a, 0])],
  ])('%s is called by its name, and what to send instead is told', (name, file) => {
    expect(() => sniffImage(file, PARAM)).toThrow(refusal('unsupported-image'));
    expect(() => sniffImage(file, PARAM)).toThrow(`The image is ${name}; send it as JPEG, PNG, WebP, AVIF or GIF`);
  });
});
