import { describeError, type ErrorFacts } from './describe-error.ts';
import { type Ledger, type LedgerCall, NO_CALLS } from './ledger.ts';
import type { Stopwatch } from './stopwatch.ts';

/** How a request ended: answered as it should be, with an error, or by a client that left before the end. */
export type RequestEnd =
  { how: 'answered'; status: number } | { how: 'failed'; status: number; error: unknown } | { how: 'left' };

/** nginx's status for a client that left; no client ever sees it. */
export const CLIENT_LEFT_STATUS = 499;

/**
 * What is known about one request at its end. Counts, names of ours and times: nothing that a client wrote, so that it
 * may go to logs and metrics as it is.
 */
export interface Outcome extends Ledger {
  request: string;
  method: string;
  /** The route's pattern, e.g. `/v1/models/:model`, or null where no route matched. */
  route: string | null;
  how: RequestEnd['how'];
  /** What the client was sent; a stream that broke began with 200. */
  status: number;
  error: ErrorFacts | null;
  /** The model that was asked for, where this worker serves it, or null. */
  model: string | null;
  /** Public name of the API key. */
  key: string | null;
  stream: boolean;
  images: number;
  /** What is billed. Counted from what was relayed where upstream's own count never came: one for each piece. */
  usage: { promptTokens: number | null; completionTokens: number; counted: boolean } | null;
  /** Those of several choices with commas. */
  finishReason: string | null;
  /** Calls of model servers; 0 where none was needed. */
  attempts: number;
  /** Body of the request, as far as it was read. */
  bytesIn: number;
  /** Body of the answer, as far as it was written. */
  bytesOut: number;
  firstTokenMs: number | null;
  totalMs: number;
  /** Milliseconds spent in each named step. */
  steps: Record<string, number>;
}

type Facts = Pick<Outcome, 'route' | 'model' | 'key' | 'stream' | 'images' | 'bytesIn'>;

/** Collects what becomes known of a request while it is served, and hands it over once, at the end. */
export interface RequestRecord {
  note(facts: Partial<Facts>): void;
  /** Model servers are being called; what came of it is asked when the record closes. */
  called(ledger: () => Ledger): void;
  /** Told at the end what the request cost; at once where that is over. */
  afterwards(tell: (ledger: Ledger) => void): void;
  /** The first call counts; a stream's end may be noticed in several places. */
  close(end: RequestEnd, bytesOut: number): void;
}

export interface RecordSeams {
  id: string;
  method: string;
  now: () => number;
  stopwatch: Stopwatch;
  /** Takes the outcome; called once. */
  emit: (outcome: Outcome) => void;
}

export function openRecord({ id, method, now, stopwatch, emit }: RecordSeams): RequestRecord {
  const startMs = now();
  let facts: Facts = { route: null, model: null, key: null, stream: false, images: 0, bytesIn: 0 };
  let ledger: () => Ledger = () => NO_CALLS;
  const listeners: ((cost: Ledger) => void)[] = [];
  let open = true;
  return {
    afterwards(tell) {
      if (open) {
        listeners.push(tell);
      } else {
        tell(ledger());
      }
    },
    note(more) {
      facts = { ...facts, ...more };
    },
    called(upstream) {
      ledger = upstream;
    },
    close(end, bytesOut) {
      if (!open) {
        return;
      }
      open = false;
      const { calls, billed } = ledger();
      const answer = billed === null ? undefined : calls[billed];
      for (const tell of listeners) {
        tell({ calls, billed });
      }
      emit({
        ...facts,
        request: id,
        method,
        how: end.how,
        status: end.how === 'left' ? CLIENT_LEFT_STATUS : end.status,
        error: end.how === 'failed' ? describeError(end.error) : null,
        calls,
        billed,
        usage: answer === undefined ? null : usageOf(answer),
        finishReason: [...new Set(answer?.finishReasons)].join() || null,
        attempts: calls.reduce((sum, { times }) => sum + times, 0),
        bytesOut,
        firstTokenMs: answer === undefined || answer.firstMs === null ? null : answer.firstMs - startMs,
        totalMs: now() - startMs,
        steps: stopwatch.spent(),
      });
    },
  };
}

function usageOf({ usage, pieces }: LedgerCall): Outcome['usage'] {
  if (usage !== null) {
    return { ...usage, counted: false };
  }
  return pieces === 0 ? null : { promptTokens: null, completionTokens: pieces, counted: true };
}
