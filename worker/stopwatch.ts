import type { Trace } from './trace.ts';

/** Adds up how long the named steps of one request took; each is a span of its trace too. */
export interface Stopwatch {
  time<Result>(step: string, run: () => Promise<Result>): Promise<Result>;
  /** A `server-timing` header (W3C Server Timing): `decode;dur=12.3, embed;dur=40.1`, in order of first use. */
  header(): string;
  /** Milliseconds of each step. */
  spent(): Record<string, number>;
}

/** @param now milliseconds; Cloudflare's clock stands still while code runs, so there CPU steps read 0 without I/O. */
export function startStopwatch(now: () => number, trace: Pick<Trace, 'within'>): Stopwatch {
  const spent = new Map<string, number>();
  return {
    async time(step, run) {
      const start = now();
      try {
        return await trace.within(step, run);
      } finally {
        spent.set(step, (spent.get(step) ?? 0) + now() - start);
      }
    },
    header: () => [...spent].map(([step, ms]) => `${step};dur=${ms.toFixed(1)}`).join(', '),
    spent: () => Object.fromEntries(spent),
  };
}
