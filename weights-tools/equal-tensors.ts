import type { TensorRef } from './checkpoint.ts';

const BLOCK_BYTES = 4 * 1024 * 1024;

/** Whether two tensors hold the same bytes in the same shape and dtype. */
export async function equalTensors(one: TensorRef, other: TensorRef): Promise<boolean> {
  if (one.dtype !== other.dtype || one.shape.join() !== other.shape.join()) {
    return false;
  }
  for (let offset = 0; one.start + offset < one.end; offset += BLOCK_BYTES) {
    const length = Math.min(BLOCK_BYTES, one.end - one.start - offset);
    const read = ({ source, start }: TensorRef): Promise<Uint8Array> =>
      source.slice(start + offset, start + offset + length);
    if (Buffer.compare(await read(one), await read(other)) !== 0) {
      return false;
    }
  }
  return true;
}
