import { dropAlpha } from './drop-alpha.ts';
import { damagedImage } from './image-failure.ts';
import type { Rgb } from './rgb.ts';

interface EmscriptenOptions {
  noInitialRun: boolean;
  print(text: string): void;
  printErr(text: string): void;
  instantiateWasm(imports: WebAssembly.Imports, done: (instance: WebAssembly.Instance) => void): WebAssembly.Exports;
}

interface DecodedRgba {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray;
}

/** The factory that a jSquash package has in `codec/dec/*.js`, as far as it is used here. */
export type CodecFactory = (options: EmscriptenOptions) => Promise<{
  decode(file: Uint8Array): DecodedRgba | null;
}>;

/**
 * Runs one decode in an instance of its own.
 *
 * A WebAssembly heap never shrinks, and an aborted decode leaves it dirty: with a fresh instance (about 1 ms) neither the
 * last photo's 48 MB nor a hostile file outlives its request. Throws `invalid-image` naming `param` where the codec
 * refuses the file.
 */
export async function decodeInFreshInstance(
  factory: CodecFactory,
  module: WebAssembly.Module,
  file: Uint8Array,
  param: string,
): Promise<Rgb> {
  const codec = await factory({
    noInitialRun: true,
    print: ignore,
    // Warnings; an error comes back as an exception.
    printErr: ignore,
    instantiateWasm(imports, done) {
      const instance = new WebAssembly.Instance(module, imports);
      done(instance);
      return instance.exports;
    },
  });
  const { width, height, data } = attempt(() => codec.decode(file), param);
  const rgba = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { width, height, data: dropAlpha(rgba, rgba) };
}

function attempt(decode: () => DecodedRgba | null, param: string): DecodedRgba {
  let decoded: DecodedRgba | null;
  try {
    decoded = decode();
  } catch (error) {
    throw damagedImage(param, error);
  }
  if (decoded === null) {
    throw damagedImage(param);
  }
  return decoded;
}

function ignore(): void {}
