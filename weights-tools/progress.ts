import { SingleBar } from 'cli-progress';
import { formatByteSize } from './byte-size.ts';

export interface Progress {
  /** `what` is the tensor or file at hand. */
  advance(bytes: number, what?: string): void;
  done(): void;
}

/** Where progress goes: a terminal gets a bar, anything else a line now and then. */
export type ProgressStream = Pick<NodeJS.WriteStream, 'write'> & { isTTY?: boolean };

const STEPS = 10;
/** A log wants few lines, and none about what is over at once. */
const LINE_INTERVAL_MS = 2000;

export function startProgress(task: string, totalBytes: number, stream?: ProgressStream): Progress {
  const output = stream ?? process.stderr;
  return output.isTTY === true ? bar(task, totalBytes) : lines(task, totalBytes, output);
}

function bar(task: string, totalBytes: number): Progress {
  const single = new SingleBar({
    format: `${task} [{bar}] {percentage}% {size} {eta_formatted} {what}`,
    hideCursor: true,
    etaBuffer: 50,
    fps: 5,
  });
  const size = formatByteSize(totalBytes);
  single.start(totalBytes, 0, { size, what: '' });
  return {
    advance(bytes, what) {
      single.increment(bytes, what === undefined ? {} : { what });
    },
    done() {
      single.update(totalBytes, { what: '' });
      single.stop();
    },
  };
}

function lines(task: string, totalBytes: number, stream: ProgressStream): Progress {
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
        stream.write(`${task}: ${(100 * step) / STEPS}% of ${formatByteSize(totalBytes)}\n`);
      }
    },
    done() {},
  };
}
