import { open } from 'node:fs/promises';

/** Logits of one model on the disk, while others run. */
export interface LogitsFile {
  append(logits: Float32Array): Promise<void>;
  /** Reads what was appended, from the first on, so many values a call. */
  reader(): (length: number) => Promise<Float32Array>;
  close(): Promise<void>;
}

export async function createLogitsFile(path: string): Promise<LogitsFile> {
  const file = await open(path, 'wx+');
  let written = 0;
  return {
    async append({ buffer, byteOffset, byteLength }) {
      const bytes = new Uint8Array(buffer, byteOffset, byteLength);
      for (let done = 0; done < byteLength;) {
        const { bytesWritten } = await file.write(bytes, done, byteLength - done, written + done);
        done += bytesWritten;
      }
      written += byteLength;
    },
    reader() {
      let read = 0;
      return async (length) => {
        const logits = new Float32Array(length);
        const bytes = new Uint8Array(logits.buffer);
        for (let done = 0; done < bytes.byteLength;) {
          const { bytesRead } = await file.read(bytes, done, bytes.byteLength - done, read + done);
          if (bytesRead === 0) {
            throw new RangeError(`${path}: ${length} values from byte ${read} on, of ${written} bytes`);
          }
          done += bytesRead;
        }
        read += bytes.byteLength;
        return logits;
      };
    },
    close: () => file.close(),
  };
}
