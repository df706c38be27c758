import { describe, expect, it } from 'vitest';
import { sniffImage } from '../../../src/core/image/sniff.ts';
import { IMAGE_MAX_BYTES } from '../../../src/core/limits.ts';
import {
  bytes,
  jpeg,
  jpegFrame,
  jpegSegment,
  png,
  PNG_SIGNATURE,
  pngChunk,
  u16,
  u32,
  vp8,
  vp8l,
  vp8x,
  webp,
  webpChunk,
} from './container-bytes.ts';
import { PARAM, refusal } from './refusal.ts';

const sniff = (file: Uint8Array): unknown => sniffImage(file, PARAM);

/** The last byte of IHDR. */
const interlacedPng = (width: number, height: number): Uint8Array => png(width, height).with(28, 1);

/** A file of each format that declares this size. */
const declaring = {
  jpeg: (width: number, height: number) => jpeg(jpegFrame(width, height)),
  png: (width: number, height: number) => png(width, height),
  webp: (width: number, height: number) => webp(vp8(width, height)),
};

describe('what the bytes say', () => {
  it('finds the format by magic bytes and the size by the header', () => {
    const size = { width: 300, height: 200, orientation: 1 };
    expect(sniff(declaring.jpeg(300, 200))).toEqual({ format: 'jpeg', components: 3, heldBytes: 0, ...size });
    expect(sniff(declaring.png(300, 200))).toEqual({ format: 'png', grey16: false, heldBytes: 0, ...size });
    for (const chunks of [[vp8(300, 200)], [vp8l(300, 200)], [vp8x(300, 200), vp8l(300, 200)]]) {
      expect(sniff(webp(...chunks))).toMatchObject({ format: 'webp', ...size });
    }
  });

  it('says what a JPEG of several scans takes: 128 bytes for every block of every component, in whole MCUs', () => {
    // 17 × 9 px of 4:2:0 are two MCUs of six blocks; jpegFrame samples all components alike.
    const frame = (marker: number) =>
      jpegSegment(marker, bytes([8], u16(9), u16(17), [3], [1, 0x22, 0], [2, 0x11, 0], [3, 0x11, 0]));
    const scan = (components: number) => jpegSegment(0xda, bytes([components]));
    const file = (...segments: Uint8Array[]) => bytes([0xff, 0xd8], ...segments, [0x55, 0xff, 0xd9]);
    expect(sniff(file(frame(0xc2), scan(3)))).toMatchObject({ heldBytes: 2 * 6 * 128 });
    expect(sniff(file(frame(0xc0), scan(1), scan(2)))).toMatchObject({ heldBytes: 2 * 6 * 128 });
    expect(sniff(file(frame(0xc0), scan(3)))).toMatchObject({ heldBytes: 0 });
  });

  it('reads a view into a larger buffer', () => {
    const file = declaring.png(7, 5);
    const inside = bytes([1, 2, 3], file, [4, 5]).subarray(3, 3 + file.length);
    expect(sniff(inside)).toMatchObject({ width: 7, height: 5 });
  });

  it('takes a progressive JPEG of a hundred scans', () => {
    const scans = Array.from({ length: 99 }, () => jpegSegment(0xda, bytes(u32(0))));
    expect(sniff(jpeg(jpegFrame(9, 9), ...scans))).toMatchObject({ width: 9 });
  });

  it('takes fill bytes and stray bytes before a marker, as libjpeg does', () => {
    expect(sniff(jpeg(bytes([0xff, 0xff, 0x00, 0x12]), jpegFrame(4, 3)))).toMatchObject({ width: 4, height: 3 });
  });
});

describe('other formats', () => {
  it.each([
    ['nothing', bytes()],
    ['text', bytes('<svg xmlns="http://www.w3.org/2000/svg"/>')],
    ['a GIF of another version', bytes('GIF90a', u32(0))],
    ['half a PNG signature', PNG_SIGNATURE.subarray(0, 7)],
    ['RIFF without WEBP', bytes('RIFF', u32(0), 'WAVE')],
    ['two bytes of JPEG', bytes([0xff, 0xd8])],
  ])('%s is unsupported', (_, file) => {
    expect(() => sniff(file)).toThrow(refusal('unsupported-image'));
  });

  it.each([
    ['lossless JPEG', jpeg(jpegFrame(9, 9, 3, 8, 0xc3))],
    ['arithmetic JPEG', jpeg(jpegFrame(9, 9, 3, 8, 0xc9))],
    ['12-bit JPEG', jpeg(jpegFrame(9, 9, 3, 12))],
    ['JPEG of two components', jpeg(jpegFrame(9, 9, 2))],
    ['animated WebP', webp(vp8x(9, 9, 0x02), webpChunk('ANIM', bytes(u32(0), u16(0))))],
  ])('%s is unsupported', (_, file) => {
    expect(() => sniff(file)).toThrow(refusal('unsupported-image'));
  });
});

describe('declared sizes', () => {
  it.each(Object.entries(declaring))('%s: refused past the limits, before any decode', (format, declare) => {
    // WebP's lossy header has 14 bits for an edge.
    const huge = format === 'webp' ? 16_383 : 20_000;
    expect(() => sniff(declare(huge, huge))).toThrow(refusal('image-too-large', new RegExp(`${huge}×${huge} px`)));
    // A JPEG is decoded at a part of its size.
    const [edge, pixels] = format === 'jpeg' ? [14_188, /201326592 pixels/] : [7094, /50331648 pixels/];
    expect(() => sniff(declare(edge + 1, edge + 1))).toThrow(refusal('image-too-large', pixels));
    expect(sniff(declare(edge, edge))).toMatchObject({ width: edge, height: edge });
  });

  it.each(Object.entries(declaring))('%s: strips of more than 200:1 are refused', (_, declare) => {
    expect(() => sniff(declare(2001, 10))).toThrow(refusal('invalid-image', /200:1/));
    expect(() => sniff(declare(10, 2001))).toThrow(refusal('invalid-image', /200:1/));
    expect(sniff(declare(2000, 10))).toMatchObject({ width: 2000, height: 10 });
  });

  it.each(Object.entries(declaring))('%s: an edge of zero is refused', (_, declare) => {
    expect(() => sniff(declare(0, 10))).toThrow(refusal('invalid-image', /at least 1 px/));
    expect(() => sniff(declare(10, 0))).toThrow(refusal('invalid-image', /at least 1 px/));
  });

  it('refuses a progressive JPEG whose scans do not fit, and takes the same as baseline', () => {
    const size = [4000, 3000] as const;
    expect(() => sniff(jpeg(jpegFrame(...size, 3, 8, 0xc2)))).toThrow(
      refusal('image-too-large', /progressive.*baseline/),
    );
    expect(sniff(jpeg(jpegFrame(3000, 3000, 3, 8, 0xc2)))).toMatchObject({ width: 3000 });
    expect(sniff(jpeg(jpegFrame(...size)))).toMatchObject({ width: 4000 });
  });

  it('refuses sampling factors that no JPEG has: what the scans take would be no number', () => {
    for (const factors of [0x00, 0x10, 0x01, 0x51, 0x15]) {
      const frame = jpegSegment(0xc2, bytes([8], u16(9), u16(9), [1], [1, factors, 0]));
      expect(() => sniff(jpeg(frame))).toThrow(refusal('invalid-image', /samples/));
    }
  });

  it('refuses an interlaced PNG that does not fit, and takes the same row by row', () => {
    expect(() => sniff(interlacedPng(5000, 5000))).toThrow(refusal('image-too-large', /interlaced.*without/));
    expect(sniff(interlacedPng(4500, 4500))).toMatchObject({ heldBytes: 4500 * 4500 * 3 });
    expect(sniff(png(5000, 5000))).toMatchObject({ heldBytes: 0 });
  });

  it('refuses a lossless WebP that does not fit, and takes the same as lossy', () => {
    expect(() => sniff(webp(vp8l(4000, 4000)))).toThrow(refusal('image-too-large', /lossless.*lossy/));
    const small = webp(vp8l(3900, 4000));
    expect(sniff(small)).toMatchObject({ heldBytes: 3900 * 4000 * 4 + small.length });
    const lossy = webp(vp8(4000, 4000));
    expect(sniff(lossy)).toMatchObject({ heldBytes: lossy.length });
  });

  it('refuses a long edge even where the pixels are few', () => {
    expect(() => sniff(png(20_000, 100))).toThrow(refusal('image-too-large', /16384 px/));
    expect(() => sniff(png(0xffff_ffff, 0xffff_ffff))).toThrow(refusal('image-too-large'));
  });

  it('refuses too many bytes without looking at them', () => {
    expect(() => sniff(new Uint8Array(IMAGE_MAX_BYTES + 1))).toThrow(refusal('image-too-large'));
  });

  it('refuses a WebP whose canvas and bitstream disagree', () => {
    expect(() => sniff(webp(vp8x(10, 10), vp8(4000, 4000)))).toThrow(refusal('invalid-image', /canvas is 10×10 px/));
  });
});

describe('damaged containers', () => {
  it.each([
    [
      'PNG whose first chunk is not IHDR',
      bytes(PNG_SIGNATURE, pngChunk('IDAT', bytes(u32(0), u32(0), [0, 0, 0, 0, 0]))),
    ],
    ['PNG with an IHDR of 12 bytes', bytes(PNG_SIGNATURE, pngChunk('IHDR', bytes(u32(9), u32(9), u32(0))))],
    ['PNG chunk longer than the file', png(9, 9, bytes(u32(0x7fff_ffff), 'IDAT', u32(0)))],
    ['PNG chunk of 4 GiB', png(9, 9, bytes(u32(0xffff_ffff), 'eXIf', u32(0)))],
    ['PNG without IEND', png(9, 9).subarray(0, -12)],
    ['JPEG without a frame', jpeg()],
    ['JPEG without a scan', bytes([0xff, 0xd8], jpegFrame(9, 9), [0xff, 0xd9])],
    ['JPEG without EOI', jpeg(jpegFrame(9, 9)).subarray(0, -2)],
    ['JPEG segment longer than the file', jpeg(jpegFrame(9, 9), bytes([0xff, 0xe1], u16(0xffff)))],
    ['JPEG segment length of 0', jpeg(bytes([0xff, 0xe1], u16(0)), jpegFrame(9, 9))],
    [
      'JPEG of 101 scans',
      jpeg(jpegFrame(9, 9), ...Array.from({ length: 100 }, () => jpegSegment(0xda, bytes(u32(0))))),
    ],
    ['JPEG frame header cut short', jpeg(jpegSegment(0xc0, bytes([8, 0, 9])))],
    ['JPEG of markers alone', new Uint8Array(1000).fill(0xff).with(1, 0xd8)],
    ['WebP without a bitstream', webp(vp8x(9, 9))],
    ['WebP chunk longer than the file', webp(bytes('VP8 ', [0xff, 0xff, 0xff, 0xff]))],
    ['WebP shorter than RIFF says', webp(vp8(9, 9)).subarray(0, -1)],
    ['WebP without a key frame', webp(webpChunk('VP8 ', new Uint8Array(10)))],
    ['WebP lossless without signature', webp(webpChunk('VP8L', new Uint8Array(5)))],
    // libwebp would take it for a bitstream of another size than the VP8L chunk's.
    ['WebP that begins with another chunk', webp(webpChunk('/\xff\xff\xff', bytes([0x0f])), vp8l(1, 1))],
    ['WebP header cut short', webp(webpChunk('VP8 ', bytes([0, 0, 0, 0x9d, 0x01, 0x2a])))],
  ])('%s is invalid', (_, file) => {
    expect(() => sniff(file)).toThrow(refusal('invalid-image'));
  });
});
