import createAvifDecoder from '@jsquash/avif/codec/dec/avif_dec.js';
import { AVIF_HEAP_MAX_BYTES } from '../limits.ts';
import type { AvifHeader } from './avif-header.ts';
import { dropAlpha } from './drop-alpha.ts';
import { damagedImage, imageTooLarge, invalidImage } from './image-failure.ts';
import type { PixelRows } from './pixel-rows.ts';
import { type DecoderHeap, emptied } from './row-codec.ts';

interface Rgba {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray;
}

/** Emscripten's module object, as far as it is used here: options at first, to which its factory adds the exports. */
interface EmscriptenModule {
  readonly noInitialRun: boolean;
  print(text: string): void;
  printErr(text: string): void;
  instantiateWasm(imports: WebAssembly.Imports, done: (instance: WebAssembly.Instance) => void): WebAssembly.Exports;
  decode?(file: Uint8Array, bitDepth: 8): Rgba | null;
}

type Factory = (module: EmscriptenModule) => Promise<EmscriptenModule>;

export type OpenAvif = (file: Uint8Array, header: AvifHeader, param: string) => PixelRows;

const PAGE_BYTES = 65_536;
/** What the module declares: stack, constants, and a heap that grows from there. */
const MEMORY_MIN_PAGES = 256;
const SKIPPED = Uint8Array.from('skip', (letter) => letter.charCodeAt(0));

/**
 * Opens an AVIF, by aom and libavif as jSquash compiled them, over the memory that all decoders share. They decode the whole
 * picture; what that takes grows with the file as well as with its pixels, so that AVIF_HEAP_MAX_BYTES, and no limit on
 * the header, is the last word. RGBA of the picture stands beside it.
 */
export function createAvifCodec(module: WebAssembly.Module, heap: DecoderHeap): OpenAvif {
  return (file, { width, height, auxiliaryAt }, param) => ({
    width,
    height,
    async read(take) {
      const rgba = decodeInFreshInstance(module, heap, withoutAuxiliary(file, auxiliaryAt), param);
      if (rgba.width !== width || rgba.height !== height) {
        const found = `${rgba.width}×${rgba.height} px`;
        throw invalidImage(param, `The image says ${width}×${height} px but holds ${found}`);
      }
      const row = new Uint8Array(width * 3);
      for (let y = 0; y < height; y++) {
        take(dropAlpha(new Uint8Array(rgba.data.buffer, rgba.data.byteOffset + y * width * 4, width * 4), row));
      }
    },
  });
}

/** Alpha is dropped in the end; to decode it takes as much memory as the colours. */
function withoutAuxiliary(file: Uint8Array, auxiliaryAt: readonly number[]): Uint8Array {
  if (auxiliaryAt.length === 0) {
    return file;
  }
  const copy = Uint8Array.from(file);
  for (const at of auxiliaryAt) {
    copy.set(SKIPPED, at);
  }
  return copy;
}

/** Without a pause in between, as every decode: there is one memory. */
function decodeInFreshInstance(module: WebAssembly.Module, heap: DecoderHeap, file: Uint8Array, param: string): Rgba {
  const memory = emptied(heap, MEMORY_MIN_PAGES);
  const growth = limitGrowth(memory);
  const codec: EmscriptenModule = {
    noInitialRun: true,
    print: ignore,
    printErr: ignore,
    instantiateWasm(imports, done) {
      const instance = new WebAssembly.Instance(module, { ...imports, env: { memory } });
      done(instance);
      return instance.exports;
    },
  };
  let rgba: Rgba | null = null;
  let cause: unknown;
  try {
    // Its promise only says what is so already: an instance that is made at once is ready at once.
    void (createAvifDecoder as unknown as Factory)(codec);
    rgba = codec.decode?.(file, 8) ?? null;
  } catch (error) {
    cause = error;
  } finally {
    growth.stop();
    heap.dirtyBytes = memory.buffer.byteLength;
  }
  if (rgba !== null) {
    return rgba;
  }
  throw growth.isFull()
    ? imageTooLarge(
        param,
        `The AVIF image takes more than ${AVIF_HEAP_MAX_BYTES} bytes to decode; send it smaller or more compressed, ` +
          'or as JPEG, PNG, WebP or GIF',
      )
    : damagedImage(param, cause);
}

/** Ends the memory's growth at AVIF_HEAP_MAX_BYTES, and tells whether the decoder wanted more: its glue swallows the refusal. */
function limitGrowth(memory: WebAssembly.Memory): { isFull(): boolean; stop(): void } {
  let isFull = false;
  const grow = memory.grow.bind(memory);
  memory.grow = (pages) => {
    if (memory.buffer.byteLength + pages * PAGE_BYTES > AVIF_HEAP_MAX_BYTES) {
      isFull = true;
      throw new RangeError('past AVIF_HEAP_MAX_BYTES');
    }
    return grow(pages);
  };
  return { isFull: () => isFull, stop: () => Reflect.deleteProperty(memory, 'grow') };
}

function ignore(): void {}
