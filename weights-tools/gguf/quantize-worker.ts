import { parentPort } from 'node:worker_threads';
import { type GgmlTypeName, rowBytes } from './ggml-type.ts';
import { schemeOf } from './schemes.ts';

/** What the pool posts: whole rows, or any other number of whole blocks. The answer is their bytes. */
export interface QuantizePart {
  readonly type: GgmlTypeName;
  readonly values: Float32Array<ArrayBuffer>;
}

parentPort?.on('message', ({ type, values }: QuantizePart) => {
  const blocks = new Uint8Array(rowBytes(type, values.length) ?? 0);
  schemeOf(type)?.quantize(values, blocks);
  parentPort?.postMessage(blocks, [blocks.buffer]);
});
