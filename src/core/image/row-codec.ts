import { DECODER_HEAP_MAX_BYTES } from '../limits.ts';
import { damagedImage, invalidImage } from './image-failure.ts';
import type { PixelRows } from './pixel-rows.ts';

/** What the decoders of wasm/ export. */
interface DecoderExports<Options extends readonly number[]> {
  /** Reads the header; returns bytes a pixel. */
  begin(...options: Options): number;
  width(): number;
  height(): number;
  /** Gives every row to the host. */
  decode(): void;
  /** Where the memory that it wrote to ends. */
  top(): number;
}

/** One file, and how to decode it. */
export interface RowDecode<Options extends readonly number[]> {
  readonly file: Uint8Array;
  /** The size of what will be read. Another is refused. */
  readonly width: number;
  readonly height: number;
  /** Arguments of the decoder's `begin`. */
  readonly options: Options;
  /** Makes RGB of a row of other pixels than 3 bytes. */
  readonly toRgb?: (stored: Uint8Array, rgb: Uint8Array) => void;
}

/** The linear memory that decoders share; see createDecoderHeap. */
export interface DecoderHeap {
  memory: WebAssembly.Memory | null;
  /** What the last decode may have left in it. */
  dirtyBytes: number;
}

/** Thrown through the decoder's frames. */
class DecoderError extends Error {}

const PAGE_BYTES = 65_536;
/** Stack, constants and variables of the largest decoder. */
const STATIC_PAGES = 8;
/** A little more than decoders are told that they may take: what they take beside the picture. */
const MAX_PAGES = STATIC_PAGES + Math.ceil((DECODER_HEAP_MAX_BYTES * 1.0625) / PAGE_BYTES);

/**
 * One memory for every decode, made when it is first needed. A WebAssembly memory never shrinks, and one for each file, or
 * for each format, would pile up. It grows to what the largest file took, DECODER_HEAP_MAX_BYTES and a little at most.
 */
export function createDecoderHeap(): DecoderHeap {
  return { memory: null, dirtyBytes: 0 };
}

/** The memory, full of zeros and of so many pages at least. */
export function emptied(heap: DecoderHeap, pages = STATIC_PAGES): WebAssembly.Memory {
  heap.memory ??= new WebAssembly.Memory({ initial: STATIC_PAGES, maximum: MAX_PAGES });
  new Uint8Array(heap.memory.buffer, 0, heap.dirtyBytes).fill(0);
  heap.memory.grow(Math.max(0, pages - heap.memory.buffer.byteLength / PAGE_BYTES));
  return heap.memory;
}

/**
 * The rows of one file by a decoder of wasm/, which takes the file as it needs it and gives a few rows at a time. Nothing is decoded before its rows are read, and then all of them at once. Reading throws
 * `invalid-image` naming `param` where the file is damaged, or has another size than was declared.
 *
 * Each file gets an instance of its own, for an aborted decode leaves one dirty, over the memory emptied.
 */
export function decodeRows<Options extends readonly number[]>(
  module: WebAssembly.Module,
  heap: DecoderHeap,
  decode: RowDecode<Options>,
  param: string,
): PixelRows {
  const { file, width, height, options, toRgb } = decode;

  function readAll(take: (row: Uint8Array) => void): void {
    const memory = emptied(heap);
    const rgb = new Uint8Array(width * 3);
    let pixelBytes = 0;
    let at = 0;
    const env = {
      memory,
      pull(to: number, size: number): number {
        const bytes = file.subarray(at, at + size);
        new Uint8Array(memory.buffer, to, size).set(bytes);
        at += bytes.length;
        return bytes.length;
      },
      give(rows: number, count: number): void {
        for (let row = 0; row < count; row++) {
          const stored = new Uint8Array(memory.buffer, rows + row * width * pixelBytes, width * pixelBytes);
          if (pixelBytes === 3 || toRgb === undefined) {
            take(stored);
          } else {
            toRgb(stored, rgb);
            take(rgb);
          }
        }
      },
      fail(code: number): never {
        throw new DecoderError(`decoder error ${code}`);
      },
    };
    const decoder = new WebAssembly.Instance(module, { env }).exports as unknown as DecoderExports<Options>;
    try {
      attempt(() => (pixelBytes = decoder.begin(...options)), param);
      const found = { width: decoder.width(), height: decoder.height() };
      if (found.width !== width || found.height !== height) {
        const says = `${width}×${height} px`;
        throw invalidImage(param, `The image says ${says} but holds ${found.width}×${found.height} px`);
      }
      attempt(() => decoder.decode(), param);
    } finally {
      heap.dirtyBytes = decoder.top();
    }
  }

  // Without a pause in between: there is one memory.
  return { width, height, read: async (take) => readAll(take) };
}

function attempt(call: () => unknown, param: string): void {
  try {
    call();
  } catch (error) {
    if (error instanceof DecoderError || error instanceof WebAssembly.RuntimeError) {
      throw damagedImage(param, error);
    }
    throw error;
  }
}
