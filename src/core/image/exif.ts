import type { Orientation } from './orientation.ts';

/** What a container carries about how its pixels are to be turned, both as raw bytes. */
export interface Metadata {
  /** TIFF stream, with or without the `Exif\0\0` that JPEG puts before it. */
  readonly exif?: Uint8Array;
  /** RDF/XML packet. */
  readonly xmp?: Uint8Array;
}

const EXIF_PREFIX = [0x45, 0x78, 0x69, 0x66, 0, 0];
const TAG_ORIENTATION = 0x0112;
/** TIFF 6.0, p. 15: SHORT and SSHORT, LONG and SLONG; an orientation has no sign bit to mind. */
const TWO_BYTE_TYPES = [3, 8];
const FOUR_BYTE_TYPES = [4, 9];
const IFD_ENTRY_BYTES = 12;

/**
 * Orientation as Pillow's `Image.getexif` finds it: the tag in EXIF's first directory, else XMP's `tiff:Orientation`.
 *
 * Anything malformed, out of range or unknown counts as 1: broken metadata is no reason to refuse good pixels. Only the
 * first directory is read, each entry once, so offsets that point in circles lead nowhere.
 */
export function orientationOf(metadata: Metadata): Orientation {
  const value = exifOrientation(metadata.exif) ?? xmpOrientation(metadata.xmp) ?? 1;
  return isOrientation(value) ? value : 1;
}

function exifOrientation(exif: Uint8Array | undefined): number | undefined {
  if (exif === undefined) {
    return undefined;
  }
  try {
    return firstDirectoryOrientation(withoutPrefix(withoutPrefix(exif)));
  } catch (error) {
    if (error instanceof RangeError) {
      return undefined;
    }
    throw error;
  }
}

/** Throws RangeError, from DataView, where the stream ends too early. */
function firstDirectoryOrientation(tiff: Uint8Array): number | undefined {
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  const order = view.getUint16(0);
  const littleEndian = order === 0x4949;
  if ((!littleEndian && order !== 0x4d4d) || view.getUint16(2, littleEndian) !== 42) {
    return undefined;
  }
  const directory = view.getUint32(4, littleEndian);
  const entries = view.getUint16(directory, littleEndian);
  for (let i = 0; i < entries; i++) {
    const at = directory + 2 + i * IFD_ENTRY_BYTES;
    if (view.getUint16(at, littleEndian) !== TAG_ORIENTATION || view.getUint32(at + 4, littleEndian) === 0) {
      continue;
    }
    const type = view.getUint16(at + 2, littleEndian);
    if (TWO_BYTE_TYPES.includes(type)) {
      return view.getUint16(at + 8, littleEndian);
    }
    if (FOUR_BYTE_TYPES.includes(type)) {
      return view.getUint32(at + 8, littleEndian);
    }
  }
  return undefined;
}

/** Some writers put the prefix twice. */
function withoutPrefix(exif: Uint8Array): Uint8Array {
  return EXIF_PREFIX.every((byte, i) => exif[i] === byte) ? exif.subarray(EXIF_PREFIX.length) : exif;
}

function xmpOrientation(xmp: Uint8Array | undefined): number | undefined {
  if (xmp === undefined) {
    return undefined;
  }
  const digit = /tiff:Orientation(?:="|>)([0-9])/.exec(new TextDecoder('latin1').decode(xmp))?.[1];
  return digit === undefined ? undefined : Number(digit);
}

function isOrientation(value: number): value is Orientation {
  return value >= 1 && value <= 8;
}
