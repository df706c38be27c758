/** Random access to bytes, wherever they lie: memory, a file, an object store. */
export interface ByteSource {
  readonly name: string;
  readonly byteLength: number;
  /** Exactly the bytes [start, end); a caller who asks outside [0, byteLength] has a bug and gets a RangeError. */
  slice(start: number, end: number): Promise<Uint8Array>;
}

export function fromBytes(name: string, bytes: Uint8Array): ByteSource {
  return {
    name,
    byteLength: bytes.byteLength,
    slice(start, end) {
      checkRange(name, bytes.byteLength, start, end);
      return Promise.resolve(bytes.subarray(start, end));
    },
  };
}

/** For implementers of {@link ByteSource}. */
export function checkRange(name: string, byteLength: number, start: number, end: number): void {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start || end > byteLength) {
    throw new RangeError(`${name}: bytes ${start} to ${end} of ${byteLength}`);
  }
}
