import { open } from 'node:fs/promises';
import { type ByteSource, checkRange } from '../src/core/bytes/byte-source.ts';
import { MalformedFile } from '../src/core/bytes/malformed-file.ts';

export interface FileSource extends ByteSource {
  close(): Promise<void>;
}

/** Bytes of one read call; read(2) stops a little under 2 GiB. */
const READ_MAX_BYTES = 2 ** 30;

/** A file kept open for reads by range. `name` is what errors call it. */
export async function openFileSource(path: string, name = path): Promise<FileSource> {
  const file = await open(path, 'r');
  const { size } = await file.stat();
  return {
    name,
    byteLength: size,
    async slice(start, end) {
      checkRange(name, size, start, end);
      // A buffer of its own, never a pool's: its first byte is aligned for every element type.
      const bytes = new Uint8Array(end - start);
      let filled = 0;
      while (filled < bytes.byteLength) {
        const length = Math.min(READ_MAX_BYTES, bytes.byteLength - filled);
        const { bytesRead } = await file.read(bytes, filled, length, start + filled);
        if (bytesRead === 0) {
          throw new MalformedFile(name, `byte ${start + filled}`, 'the end of the file', `${size} bytes as at opening`);
        }
        filled += bytesRead;
      }
      return bytes;
    },
    close: () => file.close(),
  };
}
