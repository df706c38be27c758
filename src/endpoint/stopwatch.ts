/** Where the time of one request goes. */
export interface Stopwatch {
  /** Images are embedded and the prompt is ready. */
  prepared(): void;
  token(): void;
  /** Milliseconds of each stage so far, as a Server-Timing value (W3C): for people and for benchmarks. */
  serverTiming(): string;
}

/** Starts now. */
export function startStopwatch(now: () => number = () => performance.now()): Stopwatch {
  const start = now();
  let queued = start;
  let first: number | undefined;
  let last = start;
  const entry = (name: string, milliseconds: number): string => `${name};dur=${milliseconds.toFixed(1)}`;
  return {
    prepared() {
      queued = now();
    },
    token() {
      last = now();
      first ??= last;
    },
    serverTiming: () =>
      [
        entry('prepare', queued - start),
        entry('first_token', (first ?? queued) - queued),
        entry('decode', first === undefined ? 0 : last - first),
      ].join(', '),
  };
}
