import type { InitOutput } from '@jsquash/png/codec/pkg/squoosh_png.js';
import { dropAlpha } from './drop-alpha.ts';
import { damagedImage } from './image-failure.ts';
import type { Rgb } from './rgb.ts';

interface PngInstance {
  readonly exports: InitOutput;
  /** Where the decoder left its pixels in linear memory. */
  readonly pixels: { address: number; width: number; height: number };
}

/**
 * Decodes one PNG in an instance of its own. Throws `invalid-image` naming `param` where the codec refuses the file.
 *
 * jSquash's own glue keeps one instance for ever, and every file that it refuses leaks that instance's memory and stack:
 * after some 700 truncated files it refuses good ones as well. Hence our own few lines over the same exports.
 * `grey16`: the file is 16-bit grey, whose values above 255 Pillow's `convert('RGB')` clips to white.
 */
export function decodePng(module: WebAssembly.Module, file: Uint8Array, grey16: boolean, param: string): Rgb {
  const png = instantiate(module);
  const { __wbindgen_malloc: allocate } = png.exports;
  const address = allocate(file.length, 1) >>> 0;
  new Uint8Array(png.exports.memory.buffer).set(file, address);
  try {
    return grey16 ? readGrey16(png, address, file.length) : readRgba8(png, address, file.length);
  } catch (error) {
    throw damagedImage(param, error);
  }
}

function readRgba8({ exports, pixels }: PngInstance, address: number, length: number): Rgb {
  exports.decode(address, length);
  const { width, height } = pixels;
  const rgba = new Uint8Array(exports.memory.buffer, pixels.address, width * height * 4);
  return { width, height, data: dropAlpha(rgba, new Uint8Array(width * height * 3)) };
}

function readGrey16({ exports, pixels }: PngInstance, address: number, length: number): Rgb {
  const image = exports.decode_rgba16(address, length);
  const width = exports.imagedatargba16_width(image) >>> 0;
  const height = exports.imagedatargba16_height(image) >>> 0;
  exports.imagedatargba16_data(image);
  const rgba = new Uint16Array(exports.memory.buffer, pixels.address, width * height * 4);
  const data = new Uint8Array(width * height * 3);
  for (let pixel = 0; pixel < width * height; pixel++) {
    data.fill(Math.min(rgba[pixel * 4] ?? 0, 255), pixel * 3, pixel * 3 + 3);
  }
  return { width, height, data };
}

/** Links the codec's imports by what they do: wasm-bindgen ends some of their names in a hash. */
function instantiate(module: WebAssembly.Module): PngInstance {
  const pixels = { address: 0, width: 0, height: 0 };
  const glue: Record<string, (...args: number[]) => number> = {
    __wbg_newwithownedu8clampedarrayandsh: (address = 0, _length = 0, width = 0, height = 0) => {
      Object.assign(pixels, { address: address >>> 0, width: width >>> 0, height: height >>> 0 });
      return 0;
    },
    __wbg_newwithbyteoffsetandlength: (_buffer = 0, address = 0) => {
      pixels.address = address >>> 0;
      return 0;
    },
    __wbindgen_throw: (address = 0, length = 0) => {
      throw new Error(new TextDecoder().decode(new Uint8Array(exports.memory.buffer, address >>> 0, length)));
    },
  };
  const imports = WebAssembly.Module.imports(module).map(({ name }) => [
    name,
    glue[name.replace(/_[0-9a-f]{16}$/, '')] ?? (() => 0),
  ]);
  const instance = new WebAssembly.Instance(module, { wbg: Object.fromEntries(imports) });
  const exports = instance.exports as unknown as InitOutput;
  return { exports, pixels };
}
