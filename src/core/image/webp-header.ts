import type { Metadata } from './exif.ts';
import { invalidImage, unsupportedImage } from './image-failure.ts';

export interface WebpHeader {
  readonly width: number;
  readonly height: number;
  readonly lossless: boolean;
  readonly metadata: Metadata;
}

interface Size {
  readonly width: number;
  readonly height: number;
}

const RIFF_HEADER_BYTES = 12;
const CHUNK_HEADER_BYTES = 8;
const VP8X_ANIMATION = 0x02;
/** What a file may begin with (RFC 9649, 2.5 to 2.7). libwebp reads any other first chunk as a bitstream without a header. */
const FIRST_CHUNKS = ['VP8X', 'VP8 ', 'VP8L'];
const VP8_START_CODE = 0x9d012a;
const VP8L_SIGNATURE = 0x2f;

/**
 * Reads the chunk list of a still WebP (RFC 9649, 2.3 to 2.7); the size is the bitstream's own, and a VP8X canvas must
 * agree. Throws `unsupported-image` for animations and RangeError where the file ends too early.
 */
export function readWebpHeader(bytes: Uint8Array, param: string): WebpHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = CHUNK_HEADER_BYTES + view.getUint32(4, true);
  if (end > bytes.length) {
    throw new RangeError(`RIFF says ${end} bytes, the file has ${bytes.length}`);
  }
  let canvas: Size | undefined;
  let frame: Size | undefined;
  let lossless = false;
  let exif: Uint8Array | undefined;
  let xmp: Uint8Array | undefined;
  for (let at = RIFF_HEADER_BYTES; at + CHUNK_HEADER_BYTES <= end;) {
    const type = String.fromCharCode(...bytes.subarray(at, at + 4));
    if (at === RIFF_HEADER_BYTES && !FIRST_CHUNKS.includes(type)) {
      throw invalidImage(param, 'WebP does not begin with a VP8X, VP8 or VP8L chunk');
    }
    const length = view.getUint32(at + 4, true);
    const start = at + CHUNK_HEADER_BYTES;
    if (start + length > end) {
      throw new RangeError(`chunk ${type} at byte ${at} leaves the file`);
    }
    switch (type) {
      case 'VP8X':
        if ((view.getUint8(start) & VP8X_ANIMATION) !== 0) {
          throw unsupportedImage(param, 'WebP is animated; send a still image');
        }
        canvas = { width: getUint24(view, start + 4) + 1, height: getUint24(view, start + 7) + 1 };
        break;
      case 'VP8 ':
        frame ??= lossySize(view, start, param);
        break;
      case 'VP8L':
        lossless ||= frame === undefined;
        frame ??= losslessSize(view, start, param);
        break;
      case 'EXIF':
        exif ??= bytes.subarray(start, start + length);
        break;
      case 'XMP ':
        xmp ??= bytes.subarray(start, start + length);
        break;
    }
    at = start + length + (length % 2);
  }
  if (frame === undefined) {
    throw invalidImage(param, 'WebP has no VP8 or VP8L chunk');
  }
  if (canvas !== undefined && (canvas.width !== frame.width || canvas.height !== frame.height)) {
    throw invalidImage(
      param,
      `WebP canvas is ${canvas.width}×${canvas.height} px but its image is ${frame.width}×${frame.height} px`,
    );
  }
  return { ...frame, lossless, metadata: { ...(exif && { exif }), ...(xmp && { xmp }) } };
}

/** Key frame header: 3 bytes of frame tag, start code, then 14 bits each (RFC 6386, 9.1). */
function lossySize(view: DataView, start: number, param: string): Size {
  if ((view.getUint8(start + 3) << 16) + view.getUint16(start + 4) !== VP8_START_CODE) {
    throw invalidImage(param, 'WebP VP8 chunk does not begin with a key frame');
  }
  return { width: view.getUint16(start + 6, true) & 0x3fff, height: view.getUint16(start + 8, true) & 0x3fff };
}

/** Signature byte, then 14 bits each, less one (RFC 9649, 3.4). */
function losslessSize(view: DataView, start: number, param: string): Size {
  if (view.getUint8(start) !== VP8L_SIGNATURE) {
    throw invalidImage(param, 'WebP VP8L chunk lacks its signature');
  }
  const bits = view.getUint32(start + 1, true);
  return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
}

function getUint24(view: DataView, at: number): number {
  return view.getUint16(at, true) + (view.getUint8(at + 2) << 16);
}
