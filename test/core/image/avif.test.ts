import { readFileSync } from 'node:fs';
import sharp, { type AvifOptions } from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Decoder } from '../../../src/core/image/decode.ts';
import { sniffImage } from '../../../src/core/image/sniff.ts';
import { AVIF_FRAMES_MAX, AVIF_HEAP_MAX_BYTES, AVIF_MAX_PIXELS } from '../../../src/core/limits.ts';
import { loadImageDecoder } from '../../../src/endpoint/image-codecs.ts';
import { collectRows } from '../../support/collect-rows.ts';
import { PARAM, refusal } from './refusal.ts';

/** 61×43, turned by `irot`; 61×43 with alpha. */
const TURNED = readFile('avif-14.avif');
const ALPHA = readFile('avif-26.avif');

let decoder: Decoder;
beforeAll(async () => {
  decoder = await loadImageDecoder();
});

function readFile(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`../../fixtures/parity/files/${name}`, import.meta.url)));
}

/** Where a box's content begins. */
function contentOf(file: Uint8Array, type: string): number {
  const at = Buffer.from(file).indexOf(type, 0, 'latin1');
  if (at === -1) {
    throw new Error(`no ${type}`);
  }
  return at + type.length;
}

/** A file with other bytes at a place. */
function patched(file: Uint8Array, at: number, bytes: Iterable<number>): Uint8Array {
  const copy = Uint8Array.from(file);
  copy.set([...bytes], at);
  return copy;
}

const letters = (text: string) => Buffer.from(text, 'latin1');
const u32 = (value: number) => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
const sized = (width: number, height: number) =>
  patched(TURNED, contentOf(TURNED, 'ispe') + 4, [...u32(width), ...u32(height)]);

/** The picture's data as often as asked for, at the end of the file: frames that nobody is shown, but for the last. */
function withFrames(count: number): Uint8Array {
  const iloc = contentOf(TURNED, 'iloc');
  const view = new DataView(TURNED.buffer);
  const data = TURNED.subarray(view.getUint32(iloc + 14), view.getUint32(iloc + 14) + view.getUint32(iloc + 18));
  const mdat = [...u32(8 + data.length * count), ...letters('mdat')];
  const all = Buffer.concat([TURNED, Uint8Array.from(mdat), ...Array<Uint8Array>(count).fill(data)]);
  return patched(all, iloc + 14, [...u32(TURNED.length + 8), ...u32(data.length * count)]);
}

/** Noise, as RGB: as many bytes for as few pixels as a picture can have. */
async function noise(width: number, height: number, options: AvifOptions): Promise<Uint8Array> {
  let state = 1;
  const raw = Uint8Array.from({ length: width * height * 3 }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  });
  const { data } = await sharp(raw, { raw: { width, height, channels: 3 } })
    .avif({ effort: 0, ...options })
    .toBuffer({ resolveWithObject: true });
  return new Uint8Array(data);
}

const read = async (file: Uint8Array) => collectRows(await decoder.open(file, sniffImage(file, PARAM), PARAM));

describe('the header of an AVIF', () => {
  it('is found whichever brand comes first', () => {
    const header = sniffImage(TURNED, PARAM);
    expect(header).toMatchObject({ format: 'avif', width: 61, height: 43 });
    expect(sniffImage(patched(TURNED, 8, letters('mif1')), PARAM)).toEqual(header);
  });

  it.each<[string, Uint8Array, 'unsupported-image' | 'invalid-image' | 'image-too-large', string]>([
    ['a sequence', patched(TURNED, 8, letters('avis')), 'unsupported-image', 'an AVIF sequence; send it as'],
    ['tiles', patched(TURNED, contentOf(TURNED, 'infe') + 8, letters('grid')), 'unsupported-image', 'made of tiles'],
    ['another codec', patched(TURNED, contentOf(TURNED, 'infe') + 8, letters('hvc1')), 'unsupported-image', "'hvc1'"],
    [
      'premultiplied colours',
      patched(ALPHA, contentOf(ALPHA, 'auxl') - 4, letters('prem')),
      'unsupported-image',
      'multiplied by its alpha',
    ],
    ['hidden frames', withFrames(AVIF_FRAMES_MAX + 1), 'invalid-image', `has ${AVIF_FRAMES_MAX + 1} frames`],
    ['too many pixels', sized(2048, 1025), 'image-too-large', `${AVIF_MAX_PIXELS} pixels`],
    ['an edge that is too long', sized(16_385, 100), 'image-too-large', 'the longest edge'],
    ['no pixels', sized(0, 43), 'invalid-image', 'at least 1 px'],
    ['a narrow strip', sized(6100, 30), 'invalid-image', 'aspect ratio'],
    ['no size', patched(TURNED, contentOf(TURNED, 'ispe') - 4, letters('free')), 'invalid-image', "'ispe'"],
    ['no codec', patched(TURNED, contentOf(TURNED, 'av1C') - 4, letters('free')), 'invalid-image', "'av1C'"],
    ['no primary item', patched(TURNED, contentOf(TURNED, 'pitm') + 4, [0, 9]), 'invalid-image', 'no item 9'],
    ['data past its end', patched(TURNED, contentOf(TURNED, 'iloc') + 18, u32(1 << 20)), 'invalid-image', 'leaves the'],
    [
      'a box past its end',
      patched(TURNED, contentOf(TURNED, 'meta') - 8, u32(1 << 20)),
      'invalid-image',
      'does not fit',
    ],
    ['a box of no size', patched(TURNED, contentOf(TURNED, 'iinf') - 8, u32(4)), 'invalid-image', 'does not fit'],
  ])('is refused for %s', (_, file, kind, message) => {
    expect(() => sniffImage(file, PARAM)).toThrow(refusal(kind));
    expect(() => sniffImage(file, PARAM)).toThrow(message);
  });

  it('is refused, wherever the file ends', () => {
    for (let length = 12; length < TURNED.length; length++) {
      expect(() => sniffImage(TURNED.subarray(0, length), PARAM), `${length}`).toThrow(/truncated or damaged|neither/);
    }
  });

  it('says what deep colours take', () => {
    const deep = patched(sized(1500, 1300), contentOf(TURNED, 'av1C') + 2, [0x40]);
    expect(() => sniffImage(deep, PARAM)).toThrow(/to hold it takes 6\d{7} bytes/);
    expect(sniffImage(sized(1500, 1300), PARAM)).toMatchObject({ width: 1500 });
  });
});

describe('an AVIF', () => {
  it('may have as many frames as a layered picture has', async () => {
    expect(await read(withFrames(AVIF_FRAMES_MAX))).toMatchObject({ width: 61, height: 43 });
  });

  it('that holds another size than it says is refused', async () => {
    await expect(read(sized(62, 43))).rejects.toThrow(refusal('invalid-image'));
  });

  it('is read without its alpha, which may take more than its colours', async () => {
    const broken = Uint8Array.from(ALPHA);
    const view = new DataView(broken.buffer);
    // The second item's data.
    const alphaAt = view.getUint32(contentOf(ALPHA, 'iloc') + 28);
    broken.fill(0xff, alphaAt, alphaAt + 40);
    expect(await read(broken)).toEqual(await read(ALPHA));
  });

  it('that takes more memory than there is, is refused for that, and the next is read', async () => {
    const heavy = await noise(1000, 1000, { lossless: true });
    await expect(read(heavy)).rejects.toThrow(refusal('image-too-large'));
    await expect(read(heavy)).rejects.toThrow(`more than ${AVIF_HEAP_MAX_BYTES} bytes`);
    expect(await read(TURNED)).toMatchObject({ width: 61, height: 43 });
  });
});
