import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';

export interface Digest {
  readonly bytes: number;
  /** Lowercase hex. */
  readonly sha256: string;
}

/** Large enough for the disk, small enough to forget. */
const CHUNK_BYTES = 4 * 1024 * 1024;

/** SHA-256 of a file, streamed. `onBytes` hears of each chunk; `sync` also flushes the file to the disk. */
export async function digestFile(
  path: string,
  { onBytes, sync = false, signal }: { onBytes?: (bytes: number) => void; sync?: boolean; signal?: AbortSignal } = {},
): Promise<Digest> {
  const file = await open(path, 'r');
  try {
    const hash = createHash('sha256');
    const chunk = new Uint8Array(CHUNK_BYTES);
    let bytes = 0;
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, bytes);
      if (bytesRead === 0) {
        break;
      }
      hash.update(chunk.subarray(0, bytesRead));
      bytes += bytesRead;
      onBytes?.(bytesRead);
    }
    if (sync) {
      await file.sync();
    }
    return { bytes, sha256: hash.digest('hex') };
  } finally {
    await file.close();
  }
}
