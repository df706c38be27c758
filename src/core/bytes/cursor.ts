import { MalformedFile } from './malformed-file.ts';

/** Little-endian reads that move forward and never leave the bytes. Each throws {@link MalformedFile} at the end. */
export interface Cursor {
  readonly offset: number;
  u8(): number;
  u16(): number;
  u32(): number;
  /** A u64 that is a safe integer; larger ones name nothing that a file could hold. */
  u64(): number;
  bytes(length: number): Uint8Array;
}

export function createCursor(file: string, bytes: Uint8Array, start = 0): Cursor {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let offset = start;

  function take(length: number): number {
    const at = offset;
    if (length > bytes.byteLength - at) {
      throw new MalformedFile(file, `byte ${at}`, `${Math.max(0, bytes.byteLength - at)} bytes left`, `${length} more`);
    }
    offset = at + length;
    return at;
  }

  return {
    get offset() {
      return offset;
    },
    u8: () => view.getUint8(take(1)),
    u16: () => view.getUint16(take(2), true),
    u32: () => view.getUint32(take(4), true),
    u64() {
      const at = take(8);
      const value = view.getBigUint64(at, true);
      if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
        throw new MalformedFile(file, `byte ${at}`, `${value}`, 'at most 2^53 - 1');
      }
      return Number(value);
    },
    bytes(length) {
      const at = take(length);
      return bytes.subarray(at, at + length);
    },
  };
}
