import { RETRY_AFTER_DEFAULT_MS, RETRY_AFTER_MAX_MS, RETRY_AFTER_MIN_MS } from '../limits.ts';
import type { Failure } from '../protocol/failure.ts';

/** What a failed call says: about the request, or about the upstream. */
export type Fault =
  /** Nobody else would answer better: the request itself is refused, or we could not make the call. */
  | { kind: 'request'; failure: Failure }
  /** The upstream says that it has no room, and when to come back. */
  | { kind: 'busy'; failure: Failure; restMs: number }
  /** The upstream is sound and not for this request; another may be. */
  | { kind: 'unfit'; failure: Failure }
  /** The upstream is broken; `again` where the next call of the same one may well succeed (connect errors, 5xx). */
  | { kind: 'failing'; failure: Failure; again: boolean };

/**
 * Exhaustive, so that a new failure must be given its meaning here.
 *
 * Only failures with names of upstreams blame one; a 4xx other than 400, 413, 422 and 429 is a wrong key, model or
 * weights, which another upstream may not have and which does not heal by asking again.
 */
export function faultOf(failure: Failure): Fault {
  switch (failure.kind) {
    case 'overloaded':
      return { kind: 'busy', failure, restMs: restMs(failure.retryAfterSeconds) };
    case 'upstream-unreachable':
      return { kind: 'failing', failure, again: true };
    case 'upstream-rejected':
      return { kind: 'failing', failure, again: failure.status >= 500 };
    case 'upstream-timeout':
    case 'upstream-broke':
      return { kind: 'failing', failure, again: false };
    case 'upstream-blind':
      return { kind: 'unfit', failure };
    case 'upstream-unavailable':
    case 'invalid-request':
    case 'unauthorized':
    case 'forbidden':
    case 'model-not-found':
    case 'no-such-resource':
    case 'conflict':
    case 'in-progress':
    case 'rate-limited':
    case 'quota-exceeded':
    case 'not-found':
    case 'method-not-allowed':
    case 'body-too-large':
    case 'unsupported-media-type':
    case 'unsupported-image':
    case 'invalid-image':
    case 'image-too-large':
    case 'image-unreachable':
    case 'context-too-long':
    case 'vision-mismatch':
    case 'misconfigured':
    case 'internal':
      return { kind: 'request', failure };
  }
}

function restMs(seconds: number): number {
  const ms = Number.isFinite(seconds) ? seconds * 1000 : RETRY_AFTER_DEFAULT_MS;
  return Math.min(Math.max(ms, RETRY_AFTER_MIN_MS), RETRY_AFTER_MAX_MS);
}
