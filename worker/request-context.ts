import type { Place } from '../src/core/upstream/region.ts';
import type { Deps } from './deps.ts';
import type { Tenant } from './tenants/identify-tenant.ts';
import { ANYBODY, type Owner } from './owner.ts';
import { freeMemory } from './free-memory.ts';
import { declaredLength, readBytes, roomFor } from './read-body.ts';
import { openRecord, type RequestRecord } from './request-record.ts';
import { startStopwatch, type Stopwatch } from './stopwatch.ts';
import { noUploads, type ReadUpload } from './uploads.ts';

/** What one request carries through the worker. */
export interface RequestContext extends ResponseSeams {
  requestId: string;
  headers: Headers;
  /** Name under which the worker was called. */
  host: string;
  /** What is asked for beside the body: path, query, form of the answer. */
  asks: string;
  /** Whose request it is, by the check of the key: what is remembered between requests is remembered of them alone. */
  owner: Owner;
  /** For whom it is; null where the worker serves no tenants. Set by the check of the key. */
  tenant: Tenant | null;
  /** What they have uploaded. Set by the check of the key, as is the tenant. */
  uploads: ReadUpload;
  /** Where the client is, as far as Cloudflare tells. */
  place: Place;
  /** Aborted when the client leaves. */
  signal: AbortSignal;
  stopwatch: Stopwatch;
  record: RequestRecord;
  /**
   * Reads the request's body, when there is room for it in the isolate, unless it is small. Throws RequestError
   * `body-too-large`, `overloaded`.
   */
  receive(limitBytes: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Of the body nothing is held any more but so many bytes of what became of it; at the request's end nothing at all. */
  letGo(heldBytes: number): void;
}

export interface ResponseSeams {
  /** Keeps work alive that other requests share, though this one's client may leave. */
  waitUntil: (work: Promise<unknown>) => void;
  /** Sets a header of the response, be it an error. */
  header: (name: string, value: string) => void;
}

/** What of the world every request needs, whatever its route. */
export type RequestSeams = Pick<Deps, 'now' | 'newId' | 'trace' | 'record' | 'rooms'>;

export function openRequest(
  request: Request,
  requestId: string,
  { now, trace, record: emit, rooms }: RequestSeams,
  response: ResponseSeams,
): RequestContext {
  const stopwatch = startStopwatch(now, trace);
  const record = openRecord({ id: requestId, method: request.method, now, stopwatch, emit });
  return {
    ...response,
    requestId,
    headers: request.headers,
    get host() {
      return new URL(request.url).hostname;
    },
    get asks() {
      const { pathname, search } = new URL(request.url);
      return [pathname, search, request.headers.get('accept')].join('\n');
    },
    owner: ANYBODY,
    tenant: null,
    uploads: noUploads,
    place: placeOf(request.cf),
    signal: request.signal,
    stopwatch,
    record,
    async receive(limitBytes) {
      const expected = request.body === null ? 0 : roomFor(declaredLength(request.headers), limitBytes);
      const place = expected === 0 ? null : await rooms.incoming.enter(expected, request.signal);
      if (place !== null) {
        record.afterwards(place.leave);
      }
      // On a fresh isolate this time holds the loading of the model too: both share one thread.
      const bytes = await stopwatch.time('receive', () => readBytes(request, limitBytes));
      if (place !== null) {
        place.resize(roomFor(bytes.length, limitBytes));
        this.letGo = (heldBytes) => {
          freeMemory(bytes);
          place.resize(heldBytes);
        };
      }
      record.note({ bytesIn: bytes.length });
      return bytes;
    },
    letGo: () => undefined,
  };
}

function placeOf(cf: CfProperties | undefined): Place {
  const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : null);
  return { colo: text(cf?.colo), country: text(cf?.country), continent: text(cf?.continent) };
}
