import { JPEG_HEAP_MAX_BYTES } from '../limits.ts';
import { damagedImage } from './image-failure.ts';
import type { PixelRows } from './pixel-rows.ts';

/** The exports of wasm/jpeg-decoder/decoder.c. */
interface JpegExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  /** Returns bytes a pixel: 3 of RGB or 4 of CMYK. */
  begin(eighths: number, memory: number): number;
  width(): number;
  height(): number;
  rows(): number;
  read(): number;
}

/** Thrown through the decoder's frames. */
class JpegError extends Error {}

/**
 * Begins to decode a JPEG at `eighths`/8 of its size by libjpeg-turbo, in an instance of its own: a WebAssembly heap never
 * shrinks, and an aborted decode leaves it dirty. Neither file nor picture is copied as a whole: the decoder takes 64 KB of
 * the file at a time and gives 16 rows. Only several scans, of a progressive file, need all its coefficients at once.
 *
 * Throws `invalid-image` naming `param` where the file is damaged; so does reading its rows.
 */
export function openJpeg(module: WebAssembly.Module, file: Uint8Array, eighths: number, param: string): PixelRows {
  let read = 0;
  const env = {
    pull(to: number, size: number): number {
      const bytes = file.subarray(read, read + size);
      new Uint8Array(jpeg.memory.buffer, to, size).set(bytes);
      read += bytes.length;
      return bytes.length;
    },
    fail(code: number): never {
      throw new JpegError(`libjpeg error ${code}`);
    },
  };
  const jpeg = new WebAssembly.Instance(module, { env }).exports as unknown as JpegExports;

  function attempt<Result>(call: () => Result): Result {
    try {
      return call();
    } catch (error) {
      if (error instanceof JpegError || error instanceof WebAssembly.RuntimeError) {
        throw damagedImage(param, error);
      }
      throw error;
    }
  }

  const pixelBytes = attempt(() => jpeg.begin(eighths, JPEG_HEAP_MAX_BYTES));
  const [width, height] = [jpeg.width(), jpeg.height()];
  const rgb = new Uint8Array(width * 3);
  return {
    width,
    height,
    async read(take) {
      for (let count = attempt(() => jpeg.read()); count > 0; count = attempt(() => jpeg.read())) {
        for (let row = 0; row < count; row++) {
          const start = jpeg.rows() + row * width * pixelBytes;
          const pixels = new Uint8Array(jpeg.memory.buffer, start, width * pixelBytes);
          take(pixelBytes === 3 ? pixels : cmykToRgb(pixels, rgb));
        }
      }
    },
  };
}

/** As Pillow does: ink values always inverted (Adobe's habit), then its CMYK → RGB formula, no colour profile. */
function cmykToRgb(stored: Uint8Array, rgb: Uint8Array): Uint8Array {
  for (let from = 0, to = 0; to < rgb.length; from += 4, to += 3) {
    const light = stored[from + 3] ?? 0;
    rgb[to] = light - multiplyBytes(255 - (stored[from] ?? 0), light);
    rgb[to + 1] = light - multiplyBytes(255 - (stored[from + 1] ?? 0), light);
    rgb[to + 2] = light - multiplyBytes(255 - (stored[from + 2] ?? 0), light);
  }
  return rgb;
}

/** a·b/255 rounded, in integers: Pillow's MULDIV255. */
function multiplyBytes(a: number, b: number): number {
  const product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}
