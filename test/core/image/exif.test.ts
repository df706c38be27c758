import { describe, expect, it } from 'vitest';
import { orientationOf } from '../../../src/core/image/exif.ts';
import { sniffImage } from '../../../src/core/image/sniff.ts';
import {
  bytes,
  jpeg,
  jpegFrame,
  jpegSegment,
  orientationEntry,
  png,
  pngChunk,
  tiff,
  u16,
  u32,
  vp8,
  vp8x,
  webp,
  webpChunk,
} from './container-bytes.ts';
import { PARAM } from './refusal.ts';

const exif = tiff([orientationEntry(6)]);
const xmp = bytes('<rdf:Description tiff:Orientation="8"/>');

describe('where it is found', () => {
  it.each([
    ['JPEG APP1', jpeg(jpegSegment(0xe1, bytes('Exif\0\0', exif)), jpegFrame(8, 4))],
    ['PNG eXIf before the pixels', png(8, 4, pngChunk('eXIf', exif), pngChunk('IDAT', bytes()))],
    ['PNG eXIf after the pixels', png(8, 4, pngChunk('IDAT', bytes()), pngChunk('eXIf', exif))],
    ['WebP EXIF', webp(vp8x(8, 4), vp8(8, 4), webpChunk('EXIF', exif))],
    ['WebP EXIF with the prefix of JPEG', webp(vp8x(8, 4), vp8(8, 4), webpChunk('EXIF', bytes('Exif\0\0', exif)))],
  ])('%s', (_, file) => {
    expect(sniffImage(file, PARAM)).toMatchObject({ orientation: 6 });
  });

  it.each([
    ['JPEG', jpeg(jpegSegment(0xe1, bytes('http://ns.adobe.com/xap/1.0/\0', xmp)), jpegFrame(8, 4))],
    ['PNG', png(8, 4, pngChunk('iTXt', bytes('XML:com.adobe.xmp\0\0\0en\0\0', xmp)))],
    ['WebP', webp(vp8x(8, 4), vp8(8, 4), webpChunk('XMP ', xmp))],
  ])('%s: XMP, where EXIF says nothing', (_, file) => {
    expect(sniffImage(file, PARAM)).toMatchObject({ orientation: 8 });
  });
});

describe('which value counts (each as Pillow has it)', () => {
  it.each([
    ['EXIF before XMP', { exif: tiff([orientationEntry(1)]), xmp }, 1],
    ['XMP where EXIF lacks the tag', { exif: tiff([]), xmp }, 8],
    ['XMP as an element', { xmp: bytes('<tiff:Orientation>5</tiff:Orientation>') }, 5],
    ['a long instead of a short', { exif: tiff([{ tag: 0x0112, type: 4, count: 1, value: u32(6) }]) }, 6],
    ['the first of two', { exif: tiff([orientationEntry(3), orientationEntry(6)]) }, 3],
    ['the first value of an entry of two', { exif: tiff([{ ...orientationEntry(6), count: 2 }]) }, 6],
    ['little-endian', { exif: bytes('II', [42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 7, 0, 0, 0]) }, 7],
    ['a prefix given twice', { exif: bytes('Exif\0\0Exif\0\0', exif) }, 6],
    ['a byte: not', { exif: tiff([{ tag: 0x0112, type: 1, count: 1, value: [6, 0, 0, 0] }]) }, 1],
    ['0: not', { exif: tiff([orientationEntry(0)]) }, 1],
    ['9: not', { exif: tiff([orientationEntry(9)]) }, 1],
    ['none', {}, 1],
  ])('%s', (_, metadata, orientation) => {
    expect(orientationOf(metadata)).toBe(orientation);
  });
});

describe('hostile EXIF counts as upright', () => {
  it.each([
    ['empty', bytes()],
    ['cut in the header', exif.subarray(0, 6)],
    ['cut in the entry', exif.subarray(0, 15)],
    ['no byte order', bytes('XX', exif.subarray(2))],
    ['wrong magic', bytes('MM', u16(43), exif.subarray(4))],
    ['directory past the end', bytes('MM', u16(42), u32(0xffff_fff0))],
    ['directory on its own header', bytes('MM', u16(42), u32(0), exif.subarray(8))],
    ['65535 entries that are not there', bytes('MM', u16(42), u32(8), u16(0xffff), new Uint8Array(24))],
    ['a next directory that is this one', bytes(tiff([]).subarray(0, -4), u32(8))],
  ])('%s', (_, hostile) => {
    expect(orientationOf({ exif: hostile })).toBe(1);
  });
});
