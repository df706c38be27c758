import {
  AVIF_HEAP_MAX_BYTES,
  AVIF_MAX_PIXELS,
  DECODER_HEAP_MAX_BYTES,
  GIF_MAX_PIXELS,
  IMAGE_MAX_ASPECT_RATIO,
  IMAGE_MAX_BYTES,
  IMAGE_MAX_EDGE_PX,
  JPEG_MAX_PIXELS,
  PNG_MAX_PIXELS,
  WEBP_MAX_PIXELS,
} from '../limits.ts';
import { readAvifHeader } from './avif-header.ts';
import { orientationOf } from './exif.ts';
import { type GifFrame, readGifHeader } from './gif-header.ts';
import { foreignFormat, isAvif } from './foreign-format.ts';
import { imageTooLarge, invalidImage, unsupportedImage } from './image-failure.ts';
import { readJpegHeader } from './jpeg-header.ts';
import type { Orientation } from './orientation.ts';
import { readPngHeader } from './png-header.ts';
import { readWebpHeader } from './webp-header.ts';

/** The rest is for what a decoder needs beside the picture. */
const HELD_MAX_BYTES = DECODER_HEAP_MAX_BYTES - 4 * 1024 * 1024;
const heldMaxBytes = (format: ImageHeader['format']) => (format === 'avif' ? AVIF_HEAP_MAX_BYTES : HELD_MAX_BYTES);
const MAX_PIXELS = {
  jpeg: JPEG_MAX_PIXELS,
  png: PNG_MAX_PIXELS,
  webp: WEBP_MAX_PIXELS,
  gif: GIF_MAX_PIXELS,
  avif: AVIF_MAX_PIXELS,
};
/** Which files of a format are held as a whole, and which are not. */
const HELD = {
  jpeg: ['progressive', 'baseline JPEG'],
  png: ['interlaced', 'PNG without interlacing'],
  webp: ['lossless', 'lossy WebP'],
  gif: ['a GIF', 'JPEG'],
  avif: ['an AVIF', 'JPEG'],
} as const;

interface Stored {
  /** Pixels as stored, before `orientation` turns them. */
  readonly width: number;
  readonly height: number;
  readonly orientation: Orientation;
  /** What the decoder holds of file and picture beside a few rows. */
  readonly heldBytes: number;
}

/** What the bytes themselves say, whatever the client called them. */
export type ImageHeader =
  | (Stored & { readonly format: 'jpeg'; readonly components: number })
  | (Stored & { readonly format: 'png'; readonly grey16: boolean })
  | (Stored & { readonly format: 'webp' })
  | (Stored & { readonly format: 'gif'; readonly frame: GifFrame })
  | (Stored & { readonly format: 'avif'; readonly auxiliaryAt: readonly number[] });

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
    const { metadata, lossless, ...size } = readWebpHeader(bytes, param);
    const heldBytes = bytes.length + (lossless ? 4 * size.width * size.height : 0);
    return { format: 'webp', ...size, heldBytes, orientation: orientationOf(metadata) };
  },
  gif: (bytes: Uint8Array, param: string): ImageHeader => {
    const header = readGifHeader(bytes, param);
    return { format: 'gif', ...header, heldBytes: header.frame.width * header.frame.height, orientation: 1 };
  },
  avif: (bytes: Uint8Array, param: string): ImageHeader => ({ format: 'avif', ...readAvifHeader(bytes, param) }),
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
  if (isAvif(bytes)) {
    return 'avif';
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
  if (width * height > MAX_PIXELS[format]) {
    throw imageTooLarge(param, `${size}; the limit for ${format.toUpperCase()} is ${MAX_PIXELS[format]} pixels`);
  }
  if (header.heldBytes > heldMaxBytes(format)) {
    const [held, rowByRow] = HELD[format];
    throw imageTooLarge(
      param,
      `${size} and ${held}: to hold it takes ${header.heldBytes} bytes; the limit is ${heldMaxBytes(format)}. ` +
        `A ${rowByRow} of this size is taken`,
    );
  }
  if (Math.max(width, height) / Math.min(width, height) > IMAGE_MAX_ASPECT_RATIO) {
    throw invalidImage(param, `${size}; its aspect ratio must be at most ${IMAGE_MAX_ASPECT_RATIO}:1`);
  }
}
