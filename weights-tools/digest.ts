import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';

export interface Digest {
  readonly bytes: number;
  /** Lowercase hex. */
  readonly sha256: string;
}

export interface DigestOptions {
  /** Hears of each chunk. */
  readonly onBytes?: (bytes: number) => void;
  readonly signal?: AbortSignal;
  /** Resolves when the file may be read past `position`, with the position up to which. */
  readonly ready?: (position: number) => Promise<number>;
}

/** Large enough for the disk, small enough to forget. */
const CHUNK_BYTES = 4 * 1024 * 1024;
/** What was hashed goes to the disk so much at a time, so that at the end little is left to wait for. */
const SYNC_BYTES = 256 * 1024 * 1024;

/** SHA-256 of a file, streamed. `sync` also brings the file to the disk, most of it meanwhile. */
export async function digestFile(
  path: string,
  { sync = false, ...options }: DigestOptions & { sync?: boolean } = {},
): Promise<Digest> {
  const file = await open(path, 'r');
  try {
    if (!sync) {
      return await digestOpen(file, options);
    }
    const syncer = syncBehind(file);
    const onBytes = (bytes: number): void => {
      options.onBytes?.(bytes);
      syncer.advance(bytes);
    };
    const digest = await digestOpen(file, { ...options, onBytes });
    await syncer.finish();
    return digest;
  } finally {
    await file.close();
  }
}

async function digestOpen(file: FileHandle, { onBytes, signal, ready }: DigestOptions): Promise<Digest> {
  const hash = createHash('sha256');
  const chunk = new Uint8Array(CHUNK_BYTES);
  let bytes = 0;
  for (;;) {
    signal?.throwIfAborted();
    const end = (await ready?.(bytes)) ?? Number.POSITIVE_INFINITY;
    const { bytesRead } = await file.read(chunk, 0, Math.min(CHUNK_BYTES, end - bytes), bytes);
    if (bytesRead === 0) {
      return { bytes, sha256: hash.digest('hex') };
    }
    hash.update(chunk.subarray(0, bytesRead));
    bytes += bytesRead;
    onBytes?.(bytesRead);
  }
}

/** Brings a file to the disk behind whoever reads it, one call at a time. */
function syncBehind(file: FileHandle): { advance(bytes: number): void; finish(): Promise<void> } {
  let due = 0;
  let last = Promise.resolve();
  return {
    advance(bytes) {
      due += bytes;
      if (due >= SYNC_BYTES) {
        due = 0;
        last = last.then(() => file.datasync());
        // `finish` says so; nobody asks any more where the reading has failed before it.
        last.catch(() => undefined);
      }
    },
    async finish() {
      await last;
      await file.sync();
    },
  };
}
