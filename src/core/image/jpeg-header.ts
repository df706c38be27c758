import type { Metadata } from './exif.ts';
import { invalidImage, unsupportedImage } from './image-failure.ts';
import { JPEG, jpegSegments } from './jpeg-segments.ts';

export interface JpegHeader {
  readonly width: number;
  readonly height: number;
  /** 1 grey, 3 colour, 4 CMYK or YCCK. */
  readonly components: 1 | 3 | 4;
  readonly metadata: Metadata;
}

const EXIF = 'Exif\0\0';
const XMP = 'http://ns.adobe.com/xap/1.0/\0';

/**
 * Reads a JPEG's headers up to its first scan, then walks on to EOI (ITU-T T.81 B.2): libjpeg paints what is missing grey
 * and says nothing. Throws `unsupported-image` for what libjpeg-turbo's 8-bit decoder does not do, and RangeError where
 * the file ends too early.
 */
export function readJpegHeader(bytes: Uint8Array, param: string): JpegHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let frame: Omit<JpegHeader, 'metadata'> | undefined;
  let exif: Uint8Array | undefined;
  let xmp: Uint8Array | undefined;
  let scans = 0;
  for (const { marker, start, end } of jpegSegments(bytes)) {
    if (marker === JPEG.SOS) {
      scans += 1;
    }
    if (scans > 0) {
      continue;
    }
    const payload = bytes.subarray(start, end);
    if (isStartOfFrame(marker)) {
      if (marker > JPEG.SOF2) {
        throw unsupportedImage(
          param,
          'JPEG is lossless, hierarchical or arithmetic; send a baseline or progressive one',
        );
      }
      const precision = view.getUint8(start);
      if (precision !== 8) {
        throw unsupportedImage(param, `JPEG has ${precision} bits a sample; expected 8`);
      }
      const components = view.getUint8(start + 5);
      if (components !== 1 && components !== 3 && components !== 4) {
        throw unsupportedImage(param, `JPEG has ${components} components; expected 1, 3 or 4`);
      }
      frame = { height: view.getUint16(start + 1), width: view.getUint16(start + 3), components };
    } else if (marker === JPEG.APP1 && startsWith(payload, EXIF)) {
      exif ??= payload;
    } else if (marker === JPEG.APP1 && startsWith(payload, XMP)) {
      xmp = payload.subarray(XMP.length);
    }
  }
  if (frame === undefined || scans === 0) {
    throw invalidImage(param, 'JPEG has no frame header or no scan');
  }
  return { ...frame, metadata: { ...(exif && { exif }), ...(xmp && { xmp }) } };
}

function isStartOfFrame(marker: number): boolean {
  return (
    marker >= JPEG.SOF0 && marker <= JPEG.SOF15 && marker !== JPEG.DHT && marker !== JPEG.JPG && marker !== JPEG.DAC
  );
}

function startsWith(bytes: Uint8Array, text: string): boolean {
  return bytes.length >= text.length && Array.from(text).every((char, i) => bytes[i] === char.charCodeAt(0));
}
