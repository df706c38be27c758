import { crc32 } from '../../../src/core/bytes/crc32.ts';

/** Builders of image containers, truthful or lying; integers are big-endian unless a name says otherwise. */

export function bytes(...parts: (number[] | string | Uint8Array)[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) => (typeof part === 'string' ? Array.from(part, (char) => char.charCodeAt(0)) : [...part])),
  );
}

export function u16(value: number): number[] {
  return [value >>> 8, value & 255];
}

export function u32(value: number): number[] {
  return [...u16(value >>> 16), ...u16(value & 0xffff)];
}

export function u32le(value: number): number[] {
  return u32(value).reverse();
}

export function pngChunk(type: string, data: Uint8Array): Uint8Array {
  const body = bytes(type, data);
  return bytes(u32(data.length), body, u32(crc32(body)));
}

export const PNG_SIGNATURE = bytes([0x89], 'PNG\r\n', [0x1a, 0x0a]);

/** 8-bit RGB header; `chunks` stand between it and IEND. */
export function png(width: number, height: number, ...chunks: Uint8Array[]): Uint8Array {
  const header = pngChunk('IHDR', bytes(u32(width), u32(height), [8, 2, 0, 0, 0]));
  return bytes(PNG_SIGNATURE, header, ...chunks, pngChunk('IEND', new Uint8Array()));
}

export function jpegSegment(marker: number, payload: Uint8Array): Uint8Array {
  return bytes([0xff, marker], u16(payload.length + 2), payload);
}

export function jpegFrame(width: number, height: number, components = 3, precision = 8, marker = 0xc0): Uint8Array {
  const each = Array.from({ length: components }, (_, i) => [i + 1, 0x11, 0]).flat();
  return jpegSegment(marker, bytes([precision], u16(height), u16(width), [components], each));
}

/** SOI, `segments`, then a scan of three components and one byte, and EOI. */
export function jpeg(...segments: Uint8Array[]): Uint8Array {
  return bytes([0xff, 0xd8], ...segments, jpegSegment(0xda, bytes([3, 0, 0, 0])), [0x55, 0xff, 0xd9]);
}

export function webpChunk(type: string, data: Uint8Array): Uint8Array {
  return bytes(type, u32le(data.length), data, data.length % 2 === 0 ? [] : [0]);
}

export function webp(...chunks: Uint8Array[]): Uint8Array {
  const body = bytes('WEBP', ...chunks);
  return bytes('RIFF', u32le(body.length), body);
}

/** A VP8 key frame's first ten bytes. */
export function vp8(width: number, height: number): Uint8Array {
  return webpChunk('VP8 ', bytes([0, 0, 0, 0x9d, 0x01, 0x2a], u16(width).reverse(), u16(height).reverse()));
}

export function vp8l(width: number, height: number): Uint8Array {
  return webpChunk('VP8L', bytes([0x2f], u32le((width - 1) | ((height - 1) << 14))));
}

export function vp8x(width: number, height: number, flags = 0): Uint8Array {
  const size = [width, height].flatMap((edge) => u32le(edge - 1).slice(0, 3));
  return webpChunk('VP8X', bytes([flags, 0, 0, 0], size));
}

export interface TiffEntry {
  tag: number;
  type: number;
  count: number;
  /** The four bytes of the value field. */
  value: number[];
}

/** An EXIF stream with one directory, big-endian. */
export function tiff(entries: TiffEntry[], directory = 8): Uint8Array {
  const fields = entries.flatMap(({ tag, type, count, value }) => [...u16(tag), ...u16(type), ...u32(count), ...value]);
  const padding = Array.from({ length: Math.max(directory - 8, 0) }, () => 0);
  return bytes('MM', u16(42), u32(directory), padding, u16(entries.length), fields, u32(0));
}

export function orientationEntry(value: number): TiffEntry {
  return { tag: 0x0112, type: 3, count: 1, value: [...u16(value), 0, 0] };
}
