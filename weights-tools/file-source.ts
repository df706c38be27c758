import { open } from 'node:fs/promises';
import { type ByteSource, checkRange } from '../src/core/bytes/byte-source.ts';
import { MalformedFile } from '../src/core/bytes/malformed-file.ts';

export interface FileSource extends ByteSource {
  /** Fills `target` with the bytes from `start` on. */
  readInto(target: Uint8Array, start: number): Promise<void>;
  close(): Promise<void>;
}

/** Bytes of one read call; read(2) stops a little under 2 GiB. */
const READ_MAX_BYTES = 2 ** 30;

/** A file kept open for reads by range. `name` is what errors call it. */
export async function openFileSource(path: string, name = path): Promise<FileSource> {
  const file = await open(path, 'r');
  const { size } = await file.stat();

  async function readInto(target: Uint8Array, start: number): Promise<void> {
    checkRange(name, size, start, start + target.byteLength);
    let filled = 0;
    while (filled < target.byteLength) {
      const length = Math.min(READ_MAX_BYTES, target.byteLength - filled);
      const { bytesRead } = await file.read(target, filled, length, start + filled);
      if (bytesRead === 0) {
        throw new MalformedFile(name, `byte ${start + filled}`, 'the end of the file', `${size} bytes as at opening`);
      }
      filled += bytesRead;
    }
  }

  return {
    name,
    byteLength: size,
    readInto,
    async slice(start, end) {
      checkRange(name, size, start, end);
      // A buffer of its own, never a pool's: its first byte is aligned for every element type.
      const bytes = new Uint8Array(end - start);
      await readInto(bytes, start);
      return bytes;
    },
    close: () => file.close(),
  };
}
