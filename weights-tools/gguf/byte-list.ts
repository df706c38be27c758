import { type FixedType, VALUE_TYPES, writeFixed } from './metadata-value.ts';

/** Bytes that grow as values are appended, little-endian. */
export interface ByteList {
  length(): number;
  raw(bytes: Uint8Array): void;
  number(type: FixedType, value: number | bigint | boolean): void;
  /** Length as u64, then UTF-8. */
  string(text: string): void;
  /** A copy, filled up with zeros to `byteLength`. */
  padded(byteLength: number): Uint8Array;
}

const FIRST_BYTES = 64 * 1024;

export function createByteList(): ByteList {
  const utf8 = new TextEncoder();
  let bytes = new Uint8Array(FIRST_BYTES);
  let view = new DataView(bytes.buffer);
  let length = 0;

  /** Room for `count` more, at the place that is returned. */
  function reserve(count: number): number {
    if (length + count > bytes.length) {
      const grown = new Uint8Array(Math.max(2 * bytes.length, length + count));
      grown.set(bytes);
      bytes = grown;
      view = new DataView(bytes.buffer);
    }
    const at = length;
    length += count;
    return at;
  }

  function raw(added: Uint8Array): void {
    const at = reserve(added.byteLength);
    bytes.set(added, at);
  }

  function number(type: FixedType, value: number | bigint | boolean): void {
    const at = reserve(VALUE_TYPES[type].bytes);
    writeFixed(view, type, at, value);
  }

  return {
    length: () => length,
    raw,
    number,
    string(text) {
      const encoded = utf8.encode(text);
      number('u64', BigInt(encoded.byteLength));
      raw(encoded);
    },
    padded(byteLength) {
      const copy = new Uint8Array(byteLength);
      copy.set(bytes.subarray(0, length));
      return copy;
    },
  };
}
