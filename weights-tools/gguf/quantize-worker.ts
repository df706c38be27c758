import { answerTasks } from '../thread.ts';
import { type GgmlTypeName, rowBytes } from './ggml-type.ts';
import { schemeOf } from './schemes.ts';

/** Whole rows, or any other number of whole blocks, and room for their bytes; the answer is the same, filled. */
export interface QuantizePart {
  readonly type: GgmlTypeName;
  /** How many of `values` there are. */
  readonly length: number;
  readonly values: Float32Array<ArrayBuffer>;
  readonly blocks: Uint8Array<ArrayBuffer>;
}

answerTasks(
  (part: QuantizePart) => {
    const { type, length, values, blocks } = part;
    schemeOf(type)?.quantize(values.subarray(0, length), blocks.subarray(0, rowBytes(type, length) ?? 0));
    return part;
  },
  ({ values, blocks }) => [values.buffer, blocks.buffer],
);
