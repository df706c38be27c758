import { answerTasks } from '../thread.ts';
import { type GgmlTypeName, rowBytes } from './ggml-type.ts';
import { schemeOf } from './schemes.ts';

/** Whole rows, or any other number of whole blocks; the answer is their bytes. */
export interface QuantizePart {
  readonly type: GgmlTypeName;
  readonly values: Float32Array<ArrayBuffer>;
}

answerTasks(
  ({ type, values }: QuantizePart) => {
    const blocks = new Uint8Array(rowBytes(type, values.length) ?? 0);
    schemeOf(type)?.quantize(values, blocks);
    return blocks;
  },
  ({ buffer }) => [buffer],
);
