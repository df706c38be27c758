import { JPEG_SCANS_MAX } from '../limits.ts';
import type { Metadata } from './exif.ts';
import { invalidImage, unsupportedImage } from './image-failure.ts';
import { JPEG, jpegSegments } from './jpeg-segments.ts';

export interface JpegHeader {
  readonly width: number;
  readonly height: number;
  /** 1: grey, 3: YCbCr or RGB, 4: CMYK or YCCK. */
  readonly components: number;
  /** What a decoder must hold of a picture that comes in several scans, in bytes; 0 where it comes row by row. */
  readonly heldBytes: number;
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
  let frame: Frame | undefined;
  let exif: Uint8Array | undefined;
  let xmp: Uint8Array | undefined;
  let rowByRow: boolean | undefined;
  let scans = 0;
  for (const { marker, start, end } of jpegSegments(bytes)) {
    const payload = bytes.subarray(start, end);
    if (marker === JPEG.SOS) {
      scans += 1;
      rowByRow ??= frame !== undefined && !frame.progressive && payload[0] === frame.components.length;
      if (scans > JPEG_SCANS_MAX) {
        throw invalidImage(param, `The JPEG has more than ${JPEG_SCANS_MAX} scans`);
      }
    }
    if (scans > 0) {
      continue;
    }
    if (isStartOfFrame(marker)) {
      frame = readFrame(marker, payload, param);
    } else if (marker === JPEG.APP1 && startsWith(payload, EXIF)) {
      exif ??= payload;
    } else if (marker === JPEG.APP1 && startsWith(payload, XMP)) {
      xmp = payload.subarray(XMP.length);
    }
  }
  if (frame === undefined || scans === 0) {
    throw invalidImage(param, 'The JPEG has no frame header or no scan');
  }
  const { width, height } = frame;
  const heldBytes = rowByRow === true ? 0 : bytesOfCoefficients(frame);
  const components = frame.components.length;
  return { width, height, components, heldBytes, metadata: { ...(exif && { exif }), ...(xmp && { xmp }) } };
}

interface Frame {
  readonly width: number;
  readonly height: number;
  readonly progressive: boolean;
  /** Sampling factors of each component, across and down. */
  readonly components: readonly (readonly [number, number])[];
}

/** Edge of a block of samples, and the bytes of its coefficients. */
const BLOCK = 8;
const BLOCK_BYTES = 2 * BLOCK * BLOCK;
/** Largest sampling factor (T.81 B.2.2). */
const SAMPLING_MAX = 4;

/** Blocks of each component, whole MCUs of them (T.81 A.2.4), as libjpeg keeps them until the last scan. */
function bytesOfCoefficients({ width, height, components }: Frame): number {
  const acrossMax = Math.max(...components.map(([across]) => across));
  const downMax = Math.max(...components.map(([, down]) => down));
  const mcus = Math.ceil(width / (BLOCK * acrossMax)) * Math.ceil(height / (BLOCK * downMax));
  const blocks = components.reduce((sum, [across, down]) => sum + across * down, 0);
  return mcus * blocks * BLOCK_BYTES;
}

function readFrame(marker: number, payload: Uint8Array, param: string): Frame {
  if (marker > JPEG.SOF2) {
    throw unsupportedImage(param, 'The JPEG is lossless, hierarchical or arithmetic; expected baseline or progressive');
  }
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const precision = view.getUint8(0);
  if (precision !== 8) {
    throw unsupportedImage(param, `The JPEG has ${precision} bits a sample; expected 8`);
  }
  const components = view.getUint8(5);
  if (components !== 1 && components !== 3 && components !== 4) {
    throw unsupportedImage(param, `The JPEG has ${components} components; expected 1, 3 or 4`);
  }
  const sampling = Array.from({ length: components }, (_, i): [number, number] => {
    const factors = view.getUint8(7 + 3 * i);
    const [across, down] = [factors >> 4, factors & 15];
    if (Math.min(across, down) === 0 || Math.max(across, down) > SAMPLING_MAX) {
      throw invalidImage(
        param,
        `The JPEG samples a component ${across}×${down}; expected 1 to ${SAMPLING_MAX} each way`,
      );
    }
    return [across, down];
  });
  return {
    height: view.getUint16(1),
    width: view.getUint16(3),
    progressive: marker === JPEG.SOF2,
    components: sampling,
  };
}

function isStartOfFrame(marker: number): boolean {
  return (
    marker >= JPEG.SOF0 && marker <= JPEG.SOF15 && marker !== JPEG.DHT && marker !== JPEG.JPG && marker !== JPEG.DAC
  );
}

function startsWith(bytes: Uint8Array, text: string): boolean {
  return bytes.length >= text.length && Array.from(text).every((char, i) => bytes[i] === char.charCodeAt(0));
}
