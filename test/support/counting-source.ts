import { type ByteSource, fromBytes } from '../../src/core/bytes/byte-source.ts';

export interface CountingSource extends ByteSource {
  readonly reads: number;
  readonly bytesRead: number;
}

/** Counts what a reader costs. `byteLength` may lie, as a hostile file's size does beside its header. */
export function countingSource(bytes: Uint8Array, byteLength = bytes.byteLength): CountingSource {
  const inner = fromBytes('test.safetensors', bytes);
  let reads = 0;
  let bytesRead = 0;
  return {
    name: inner.name,
    byteLength,
    get reads() {
      return reads;
    },
    get bytesRead() {
      return bytesRead;
    },
    slice(start, end) {
      reads += 1;
      bytesRead += end - start;
      return inner.slice(start, end);
    },
  };
}
