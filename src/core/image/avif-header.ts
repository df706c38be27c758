import { AVIF_FRAMES_MAX } from '../limits.ts';
import { countFrames } from './av1-frames.ts';
import { type PrimaryItem, readPrimaryItem } from './avif-items.ts';
import { invalidImage, unsupportedImage } from './image-failure.ts';
import { type Box, boxOf } from './iso-boxes.ts';
import type { Orientation } from './orientation.ts';

/** What an AVIF says before its picture is decoded. */
export interface AvifHeader {
  /** As stored, before `orientation` turns them. */
  readonly width: number;
  readonly height: number;
  /** Of `irot` and `imir`, as EXIF would say it; EXIF's own says nothing here. */
  readonly orientation: Orientation;
  /** What the decoder holds at once; more where the picture is compressed little. */
  readonly heldBytes: number;
  /** Where the types of references to alpha and other auxiliary pictures stand. */
  readonly auxiliaryAt: readonly number[];
}

/** Of an `irot` anticlockwise by so many quarters: alone, before `imir` with axis 0, before `imir` with axis 1. */
const ORIENTATIONS: readonly (readonly [Orientation, Orientation, Orientation])[] = [
  [1, 4, 2],
  [8, 5, 7],
  [3, 2, 4],
  [6, 7, 5],
];

/** Measured with aom 3.7 and libavif 1.0: stack, heap and tables before a picture comes. */
const EMPTY_HEAP_BYTES = 16 * 1024 * 1024;
/** RGBA, and lines and motion of the decoder; then frames at the depth at which they are stored. */
const BYTES_PER_PIXEL = 8;
const FRAMES_HELD = 2.4;

/**
 * Reads size, orientation and kind of the primary item (AVIF, MIAF). Throws RangeError where the file ends before that or a
 * part of it is missing, `invalid-image` where it makes no sense, `unsupported-image` for what is no single picture.
 */
export function readAvifHeader(bytes: Uint8Array, param: string): AvifHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const item = readPrimaryItem(view);
  if (item.type !== 'av01') {
    const kind = item.type === 'grid' ? 'made of tiles' : `one whose picture is '${item.type}'`;
    throw unsupportedImage(param, `The image is an AVIF ${kind}; send it as one picture, or as JPEG, PNG, WebP or GIF`);
  }
  if (item.isPremultiplied) {
    const message = 'The image is an AVIF whose colours are multiplied by its alpha; send it as JPEG, PNG, WebP or GIF';
    throw unsupportedImage(param, message);
  }
  refuseFrames(bytes, item, param);
  const ispe = boxOf(item.properties, 'ispe');
  const [width, height] = [view.getUint32(ispe.start + 4), view.getUint32(ispe.start + 8)];
  const sampleBytes = bytesOfPixel(view, boxOf(item.properties, 'av1C'));
  return {
    width,
    height,
    orientation: orientationOf(view, item.properties),
    heldBytes:
      EMPTY_HEAP_BYTES + bytes.length + Math.ceil(width * height * (BYTES_PER_PIXEL + FRAMES_HELD * sampleBytes)),
    auxiliaryAt: item.auxiliaryAt,
  };
}

/** A file of a few bytes may hold thousands of frames that nobody is shown. */
function refuseFrames(bytes: Uint8Array, { extents }: PrimaryItem, param: string): void {
  let frames = 0;
  for (const { start, end } of extents) {
    if (end > bytes.length) {
      throw new RangeError('its data leaves the file');
    }
    frames += countFrames(bytes.subarray(start, end));
  }
  if (frames > AVIF_FRAMES_MAX) {
    throw invalidImage(param, `The AVIF picture has ${frames} frames; at most ${AVIF_FRAMES_MAX} are taken`);
  }
}

/** Of a decoded frame, by the codec's configuration (AV1-ISOBMFF, 2.3.3). */
function bytesOfPixel(view: DataView, av1C: Box): number {
  const bits = view.getUint8(av1C.start + 2);
  const [isDeep, isGrey, halfWidth, halfHeight] = [bits & 0x40, bits & 0x10, bits & 0x08, bits & 0x04].map(Boolean);
  const samples = isGrey === true ? 1 : halfWidth === false ? 3 : halfHeight === true ? 1.5 : 2;
  return samples * (isDeep === true ? 2 : 1);
}

function orientationOf(view: DataView, properties: readonly Box[]): Orientation {
  const byteOf = (type: string): number | null => {
    const box = properties.find((property) => property.type === type);
    return box === undefined ? null : view.getUint8(box.start);
  };
  const [alone, mirrored0, mirrored1] = ORIENTATIONS[(byteOf('irot') ?? 0) & 3] ?? [1, 1, 1];
  const axis = byteOf('imir');
  return axis === null ? alone : (axis & 1) === 0 ? mirrored0 : mirrored1;
}
