import { type CodecModules, createDecoder, type Decoder } from './decode.ts';

type CodecModule = CodecModules[keyof CodecModules];

/** A decoder over the worker's codecs; `compile` turns a file of wasm/ into a WebAssembly module. */
export async function loadDecoder(compile: (specifier: string) => Promise<CodecModule>): Promise<Decoder> {
  const [jpeg, png, webp, avif, resize] = await Promise.all([
    compile('#wasm/jpeg-decoder/decoder.wasm'),
    compile('#wasm/png-decoder/decoder.wasm'),
    compile('#wasm/webp-decoder/decoder.wasm'),
    compile('#wasm/avif-decoder/decoder.wasm'),
    compile('#wasm/resize-kernel/kernel.wasm'),
  ]);
  return createDecoder({ jpeg, png, webp, avif, resize });
}
