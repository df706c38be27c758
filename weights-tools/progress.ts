import { SingleBar } from 'cli-progress';
import { formatByteSize } from './byte-size.ts';

export interface Progress {
  /** `what` is the tensor or file at hand. */
  advance(bytes: number, what?: string): void;
}

/** Where progress goes: a terminal gets a bar, anything else a line now and then. */
export type ProgressStream = NodeJS.WritableStream & { isTTY?: boolean };

const STEPS = 10;
/** A log wants few lines, and none about what is over at once. */
const LINE_INTERVAL_MS = 2000;

/**
 * Runs `work` and shows how far it is; `describe` says what is counted where that is not bytes. However it ends, the bar ends with it: a bar left running hides the cursor and keeps
 * the process alive.
 */
export async function withProgress<T>(
  task: string,
  totalBytes: number,
  work: (progress: Progress) => Promise<T>,
  stream: ProgressStream = process.stderr,
  describe: (total: number) => string = formatByteSize,
): Promise<T> {
  if (stream.isTTY !== true) {
    return work(lines(task, totalBytes, stream, describe));
  }
  const bar = new SingleBar({
    stream,
    format: `${task} [{bar}] {percentage}% {size} {eta_formatted} {what}`,
    hideCursor: true,
    etaBuffer: 50,
    fps: 5,
  });
  bar.start(totalBytes, 0, { size: describe(totalBytes), what: '' });
  try {
    const result = await work({
      advance(bytes, what) {
        bar.increment(bytes, what === undefined ? {} : { what });
      },
    });
    bar.update(totalBytes, { what: '' });
    return result;
  } finally {
    bar.stop();
  }
}

function lines(
  task: string,
  totalBytes: number,
  stream: ProgressStream,
  describe: (total: number) => string,
): Progress {
  let done = 0;
  let step = 0;
  let lastMs = performance.now();
  return {
    advance(bytes) {
      done += bytes;
      const reached = Math.floor((STEPS * done) / totalBytes);
      if (reached > step && performance.now() - lastMs > LINE_INTERVAL_MS) {
        step = reached;
        lastMs = performance.now();
        stream.write(`${task}: ${(100 * step) / STEPS}% of ${describe(totalBytes)}\n`);
      }
    },
  };
}
