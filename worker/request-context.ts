import type { Deps } from './deps.ts';
import { readBytes } from './read-body.ts';
import { openRecord, type RequestRecord } from './request-record.ts';
import { startStopwatch, type Stopwatch } from './stopwatch.ts';

/** What one request carries through the worker. */
export interface RequestContext {
  requestId: string;
  /** Aborted when the client leaves. */
  signal: AbortSignal;
  stopwatch: Stopwatch;
  record: RequestRecord;
  /** Reads the request's body; throws RequestError `body-too-large`. */
  receive(limitBytes: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Keeps work alive that other requests share, though this one's client may leave. */
  waitUntil: (work: Promise<unknown>) => void;
}

/** What of the world every request needs, whatever its route. */
export type RequestSeams = Pick<Deps, 'now' | 'newId' | 'trace' | 'record'>;

export function openRequest(
  request: Request,
  requestId: string,
  { now, trace, record: emit }: RequestSeams,
  waitUntil: RequestContext['waitUntil'],
): RequestContext {
  const stopwatch = startStopwatch(now, trace);
  const record = openRecord({ id: requestId, method: request.method, now, stopwatch, trace, emit });
  return {
    requestId,
    signal: request.signal,
    stopwatch,
    record,
    // On a fresh isolate this time holds the loading of the model too: both share one thread.
    async receive(limitBytes) {
      const bytes = await stopwatch.time('receive', () => readBytes(request, limitBytes));
      record.note({ bytesIn: bytes.length });
      return bytes;
    },
    waitUntil,
  };
}
