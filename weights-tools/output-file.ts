import { type FileHandle, open } from 'node:fs/promises';
import { namingPath } from './io-failure.ts';

/** A file whose size is known before its first byte; blocks may arrive in any order, and from several threads. */
export interface OutputFile {
  /** @throws RangeError past the end, IoFailure for what the system refuses, with the path */
  write(bytes: Uint8Array, position: number): Promise<void>;
  close(): Promise<void>;
}

/** Bytes of one write call; Node takes no more than 2^31 - 1. */
const WRITE_MAX_BYTES = 2 ** 30;

/** Makes a file of exactly `byteLength` bytes where none was. */
export async function createOutputFile(path: string, byteLength: number): Promise<OutputFile> {
  const file = await open(path, 'wx');
  await namingPath(path, () => file.truncate(byteLength)).catch(async (error: unknown) => {
    await file.close();
    throw error;
  });
  return outputFile(path, file, byteLength);
}

/** One that {@link createOutputFile} made. */
export async function reopenOutputFile(path: string): Promise<OutputFile> {
  const file = await open(path, 'r+');
  const { size } = await file.stat();
  return outputFile(path, file, size);
}

function outputFile(path: string, file: FileHandle, byteLength: number): OutputFile {
  return {
    async write(bytes, position) {
      if (position + bytes.byteLength > byteLength) {
        throw new RangeError(`${path}: byte ${position + bytes.byteLength} of ${byteLength}`);
      }
      await namingPath(path, () => writeFully(file, bytes, position));
    },
    close: () => file.close(),
  };
}

async function writeFully(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let written = 0;
  while (written < bytes.byteLength) {
    const length = Math.min(WRITE_MAX_BYTES, bytes.byteLength - written);
    const { bytesWritten } = await file.write(bytes, written, length, position + written);
    written += bytesWritten;
  }
}
