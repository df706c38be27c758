import {
  GIF_MAX_PIXELS,
  IMAGE_MAX_ASPECT_RATIO,
  IMAGE_MAX_BYTES,
  IMAGE_MAX_EDGE_PX,
  IMAGE_MAX_PIXELS,
  JPEG_HEAP_MAX_BYTES,
  JPEG_MAX_PIXELS,
} from '../limits.ts';
import { orientationOf } from './exif.ts';
import { type GifFrame, readGifHeader } from './gif-header.ts';
import { foreignFormat } from './foreign-format.ts';
import { imageTooLarge, invalidImage, unsupportedImage } from './image-failure.ts';
import { readJpegHeader } from './jpeg-header.ts';
import type { Orientation } from './orientation.ts';
import { readPngHeader } from './png-header.ts';
import { readWebpHeader } from './webp-header.ts';

/** The rest is for what libjpeg needs beside coefficients. */
const JPEG_HEAP_USABLE_BYTES = JPEG_HEAP_MAX_BYTES - 4 * 1024 * 1024;

interface Stored {
  /** Pixels as stored, before `orientation` turns them. */
  readonly width: number;
  readonly height: number;
  readonly orientation: Orientation;
}

/** What the bytes themselves say, whatever the client called them. */
export type ImageHeader =
  | (Stored & { readonly format: 'jpeg'; readonly components: number; readonly coefficientBytes: number })
  | (Stored & { readonly format: 'png'; readonly grey16: boolean })
  | (Stored & { readonly format: 'webp' })
  | (Stored & { readonly format: 'gif'; readonly frame: GifFrame });

/**
 * Reads format, size and orientation from the container, before any decode and without trusting a declared MIME type.
 *
 * Throws RequestError: `unsupported-image` for other formats, `invalid-image` for a damaged or truncated container,
 * `image-too-large` past limits.ts. `param` names the client's field, e.g. `messages[0].content[1].image_url.url`.
 */
export function sniffImage(bytes: Uint8Array, param: string): ImageHeader {
  if (bytes.length > IMAGE_MAX_BYTES) {
    throw imageTooLarge(param, `The image has ${bytes.length} bytes; the limit is ${IMAGE_MAX_BYTES}`);
  }
  const header = readHeader(bytes, param);
  checkSize(header, param);
  return header;
}

function readHeader(bytes: Uint8Array, param: string): ImageHeader {
  const format = formatOf(bytes, param);
  try {
    return readers[format](bytes, param);
  } catch (error) {
    // The readers lean on DataView, which refuses every read outside the file.
    if (error instanceof RangeError) {
      throw invalidImage(param, `The ${format.toUpperCase()} image is truncated or damaged: ${error.message}`, error);
    }
    throw error;
  }
}

const readers = {
  jpeg: (bytes: Uint8Array, param: string): ImageHeader => {
    const { metadata, ...header } = readJpegHeader(bytes, param);
    return { format: 'jpeg', ...header, orientation: orientationOf(metadata) };
  },
  png: (bytes: Uint8Array, param: string): ImageHeader => {
    const { metadata, ...header } = readPngHeader(bytes, param);
    return { format: 'png', ...header, orientation: orientationOf(metadata) };
  },
  webp: (bytes: Uint8Array, param: string): ImageHeader => {
    const { metadata, ...header } = readWebpHeader(bytes, param);
    return { format: 'webp', ...header, orientation: orientationOf(metadata) };
  },
  gif: (bytes: Uint8Array, param: string): ImageHeader => ({
    format: 'gif',
    ...readGifHeader(bytes, param),
    orientation: 1,
  }),
};

function formatOf(bytes: Uint8Array, param: string): ImageHeader['format'] {
  const magic = String.fromCharCode(...bytes.subarray(0, 12));
  if (magic.startsWith('\xff\xd8\xff')) {
    return 'jpeg';
  }
  if (magic.startsWith('\x89PNG\r\n\x1a\n')) {
    return 'png';
  }
  if (magic.startsWith('RIFF') && magic.endsWith('WEBP')) {
    return 'webp';
  }
  if (/^GIF8[79]a/.test(magic)) {
    return 'gif';
  }
  throw unsupportedImage(param, foreignFormat(bytes));
}

function checkSize(header: ImageHeader, param: string): void {
  const { format, width, height } = header;
  const size = `The image is ${width}×${height} px`;
  if (width === 0 || height === 0) {
    throw invalidImage(param, `${size}; both edges must be at least 1 px`);
  }
  if (Math.max(width, height) > IMAGE_MAX_EDGE_PX) {
    throw imageTooLarge(param, `${size}; the longest edge may have ${IMAGE_MAX_EDGE_PX} px`);
  }
  const maxPixels = { jpeg: JPEG_MAX_PIXELS, png: IMAGE_MAX_PIXELS, webp: IMAGE_MAX_PIXELS, gif: GIF_MAX_PIXELS }[
    format
  ];
  if (width * height > maxPixels) {
    throw imageTooLarge(param, `${size}; a ${format.toUpperCase()} may have ${maxPixels} pixels`);
  }
  if (format === 'jpeg' && header.coefficientBytes > JPEG_HEAP_USABLE_BYTES) {
    throw imageTooLarge(
      param,
      `${size} and progressive: its scans take ${header.coefficientBytes} bytes; the limit is ${JPEG_HEAP_USABLE_BYTES}. ` +
        'A baseline JPEG of this size is taken',
    );
  }
  if (Math.max(width, height) / Math.min(width, height) > IMAGE_MAX_ASPECT_RATIO) {
    throw invalidImage(param, `${size}; its aspect ratio must be at most ${IMAGE_MAX_ASPECT_RATIO}:1`);
  }
}
