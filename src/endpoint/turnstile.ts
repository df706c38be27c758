import { RequestError } from '../core/protocol/failure.ts';

const RETRY_AFTER_SECONDS = 1;

/**
 * Lets at most `places` pieces of work be under way at once; more are refused, not queued, because waiting for a place
 * would hold what the place protects: the memory of their bodies.
 *
 * @returns runs one piece of work. Throws RequestError `overloaded` where there is no place.
 */
export function createTurnstile(places: number): <Result>(work: () => Promise<Result>) => Promise<Result> {
  let inside = 0;
  return async (work) => {
    if (inside >= places) {
      throw new RequestError({ kind: 'overloaded', retryAfterSeconds: RETRY_AFTER_SECONDS });
    }
    inside += 1;
    try {
      return await work();
    } finally {
      inside -= 1;
    }
  };
}
