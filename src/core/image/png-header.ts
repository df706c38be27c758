import type { Metadata } from './exif.ts';
import { invalidImage } from './image-failure.ts';

export interface PngHeader {
  readonly width: number;
  readonly height: number;
  /** 16-bit grey without alpha, which Pillow reads as `I;16` and clips where it narrows every other 16-bit form. */
  readonly grey16: boolean;
  /** What the decoder holds of the picture while it reads it: all of one that is interlaced, in the bytes of decoder.c. */
  readonly heldBytes: number;
  readonly metadata: Metadata;
}

const SIGNATURE_BYTES = 8;
/** Length, type and CRC around each chunk's data. */
const CHUNK_OVERHEAD_BYTES = 12;
const IHDR_BYTES = 13;
const GREY = 0;
/** Keyword and a compression flag of 0: XMP in PNG is never compressed (XMP part 3, 1.1.5). */
const XMP_KEYWORD = 'XML:com.adobe.xmp\0\0';

/**
 * Reads IHDR and walks the chunk list to IEND (PNG, third edition, 5.3 and 11.2), without looking into the pixels.
 * The walk goes that far because eXIf may follow IDAT. Throws RangeError where the file ends before IEND.
 */
export function readPngHeader(bytes: Uint8Array, param: string): PngHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(SIGNATURE_BYTES) !== IHDR_BYTES || chunkType(bytes, SIGNATURE_BYTES) !== 'IHDR') {
    throw invalidImage(param, 'PNG does not begin with an IHDR chunk of 13 bytes');
  }
  const ihdr = SIGNATURE_BYTES + 8;
  const width = view.getUint32(ihdr);
  const height = view.getUint32(ihdr + 4);
  const grey16 = view.getUint8(ihdr + 8) === 16 && view.getUint8(ihdr + 9) === GREY;
  const heldBytes = view.getUint8(ihdr + 12) === 0 ? 0 : width * height * (grey16 ? 2 : 3);

  let exif: Uint8Array | undefined;
  let xmp: Uint8Array | undefined;
  let at = SIGNATURE_BYTES;
  for (;;) {
    const length = view.getUint32(at);
    const type = chunkType(bytes, at);
    const next = at + CHUNK_OVERHEAD_BYTES + length;
    if (next > bytes.length) {
      throw new RangeError(`chunk ${type} at byte ${at} leaves the file`);
    }
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (type === 'IEND') {
      return { width, height, grey16, heldBytes, metadata: { ...(exif && { exif }), ...(xmp && { xmp }) } };
    }
    if (type === 'eXIf') {
      exif = data;
    } else if (type === 'iTXt' && latin1(data, 0, XMP_KEYWORD.length) === XMP_KEYWORD) {
      xmp = data.subarray(XMP_KEYWORD.length);
    }
    at = next;
  }
}

function chunkType(bytes: Uint8Array, at: number): string {
  return latin1(bytes, at + 4, at + 8);
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return String.fromCharCode(...bytes.subarray(start, end));
}
