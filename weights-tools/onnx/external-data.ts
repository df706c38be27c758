import type { TensorLayout } from '../tensor-writer.ts';
import { ELEMENT_BYTES, type ElementType } from './onnx-proto.ts';

/** onnx/docs/ExternalData.md: offsets should be multiples of the page size, so that a runtime can map the file. */
const ALIGNMENT_BYTES = 4096;

/** A weight that lives in the data file beside a model. Row-major, little-endian. */
export interface ExternalTensor {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
}

/** Declares every tensor of a data file, whose name is relative to the model. Throws when two have one name. */
export function layoutExternalData(file: string, tensors: readonly ExternalTensor[]): TensorLayout {
  const places = new Map<string, { start: number; end: number }>();
  let end = 0;
  for (const { name, type, shape } of tensors) {
    if (places.has(name)) {
      throw new Error(`${file}: tensor ${name} is declared twice`);
    }
    const start = Math.ceil(end / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
    end = start + shape.reduce((product, size) => product * size, ELEMENT_BYTES[type]);
    places.set(name, { start, end });
  }
  return { file, places, byteLength: end };
}
