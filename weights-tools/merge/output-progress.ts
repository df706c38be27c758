import type { ArtifactFolder } from '../artifact-folder.ts';
import { createWatermark } from '../watermark.ts';
import type { PlannedFile } from './plan.ts';

/** An output file of a merge, whose tensors several threads write. */
export interface OutputProgress {
  /** Makes the file, for its first tensor, with the header in it. */
  make(): Promise<void>;
  /** So many more bytes of the `index`-th tensor are written, in the order of its bytes. */
  advance(index: number, bytes: number): void;
}

/** Hashes the file behind its threads, as far as it has no gap: from memory, and almost done when they are. */
export function followOutput(
  { path, layout, jobs }: PlannedFile,
  folder: ArtifactFolder,
  options: { signal: AbortSignal; onBytes: (bytes: number) => void },
): OutputProgress {
  const whole = createWatermark(options.signal);
  const ends = jobs.map(({ start }) => start);
  let first = 0;
  let made: Promise<void> | null = null;

  async function create(): Promise<void> {
    const file = await folder.create(path, layout.byteLength);
    try {
      await file.write(layout.header, 0);
    } finally {
      await file.close();
    }
    folder.digestWhile(path, (position) => whole.above(position), options);
  }

  return {
    make: () => (made ??= create()),
    advance(index, bytes) {
      ends[index] = (ends[index] ?? 0) + bytes;
      while (first < jobs.length && ends[first] === jobs[first]?.end) {
        first += 1;
      }
      whole.raise(ends[first] ?? Number.POSITIVE_INFINITY);
    },
  };
}
