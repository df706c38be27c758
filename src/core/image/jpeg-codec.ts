import { JPEG_HEAP_MAX_BYTES } from '../limits.ts';
import { damagedImage, invalidImage } from './image-failure.ts';
import type { PixelRows } from './pixel-rows.ts';

/** The exports of wasm/jpeg-decoder/decoder.c. */
interface JpegExports {
  /** Returns bytes a pixel: 3 of RGB or 4 of CMYK. */
  begin(eighths: number, memory: number): number;
  width(): number;
  height(): number;
  rows(): number;
  /** How many rows it has left at `rows()`; 0 after the last. */
  read(): number;
}

/** The size that a file's header names. */
interface DeclaredSize {
  readonly width: number;
  readonly height: number;
}

/**
 * Opens a JPEG at `eighths`/8 of its size. Nothing is decoded before its rows are read, and then all of them at once.
 * Reading throws `invalid-image` naming `param` where the file is damaged, or has another size than was declared.
 */
export type OpenJpeg = (file: Uint8Array, declared: DeclaredSize, eighths: number, param: string) => PixelRows;

/** Thrown through the decoder's frames. */
class JpegError extends Error {}

const PAGE_BYTES = 65_536;
/** Stack, constants and variables, as wasm/compile-jpeg.ts links them. */
const STATIC_PAGES = 5;
const MAX_PAGES = STATIC_PAGES + Math.ceil((JPEG_HEAP_MAX_BYTES * 1.0625) / PAGE_BYTES);

/**
 * JPEG by libjpeg-turbo. Neither file nor picture is copied as a whole: the decoder takes 64 KB of the file at a time and
 * gives 16 rows. Only several scans, of a progressive file, need all its coefficients at once.
 *
 * Each file gets an instance of its own, for an aborted decode leaves one dirty, over one memory that is emptied before: a
 * WebAssembly memory never shrinks, and one for each file would pile up until the collector comes. It grows to what the
 * largest file took, JPEG_HEAP_MAX_BYTES and a little at most.
 */
export function createJpegCodec(module: WebAssembly.Module): OpenJpeg {
  let memory: WebAssembly.Memory | undefined;

  function decode(file: Uint8Array, declared: DeclaredSize, eighths: number, param: string, take: Take): void {
    memory ??= new WebAssembly.Memory({ initial: STATIC_PAGES, maximum: MAX_PAGES });
    const heap = memory;
    new Uint8Array(heap.buffer).fill(0);
    let at = 0;
    const env = {
      memory: heap,
      pull(to: number, size: number): number {
        const bytes = file.subarray(at, at + size);
        new Uint8Array(heap.buffer, to, size).set(bytes);
        at += bytes.length;
        return bytes.length;
      },
      fail(code: number): never {
        throw new JpegError(`libjpeg error ${code}`);
      },
    };
    const jpeg = new WebAssembly.Instance(module, { env }).exports as unknown as JpegExports;
    const pixelBytes = attempt(() => jpeg.begin(eighths, JPEG_HEAP_MAX_BYTES), param);
    const [width, height] = [jpeg.width(), jpeg.height()];
    if (width !== declared.width || height !== declared.height) {
      const says = `${declared.width}×${declared.height} px`;
      throw invalidImage(param, `The image says ${says} but holds ${width}×${height} px`);
    }
    const rgb = new Uint8Array(width * 3);
    const readRows = (): number => attempt(() => jpeg.read(), param);
    for (let count = readRows(); count > 0; count = readRows()) {
      for (let row = 0; row < count; row++) {
        const pixels = new Uint8Array(heap.buffer, jpeg.rows() + row * width * pixelBytes, width * pixelBytes);
        take(pixelBytes === 3 ? pixels : cmykToRgb(pixels, rgb));
      }
    }
  }

  return (file, declared, eighths, param) => {
    const scaled = (edge: number): number => Math.ceil((edge * eighths) / 8);
    const size = { width: scaled(declared.width), height: scaled(declared.height) };
    // Without a pause in between: there is one memory.
    return { ...size, read: async (take) => decode(file, size, eighths, param, take) };
  };
}

type Take = (row: Uint8Array) => void;

function attempt<Result>(call: () => Result, param: string): Result {
  try {
    return call();
  } catch (error) {
    if (error instanceof JpegError || error instanceof WebAssembly.RuntimeError) {
      throw damagedImage(param, error);
    }
    throw error;
  }
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
