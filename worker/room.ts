import { RequestError } from '../src/core/protocol/failure.ts';

/** What somebody holds of a room's bytes. */
export interface Place {
  /** Another amount from now on: whoever is in is never kept waiting, for two of them might wait for each other. */
  readonly resize: (bytes: number) => void;
  /** For good; a second time changes nothing. */
  readonly leave: () => void;
}

/** Memory of an isolate that its requests share. */
export interface Room {
  /**
   * Waits until there is room for so many bytes. First come, first served; who needs more than all of it enters when nobody
   * else is in.
   *
   * @throws RequestError `overloaded` after the longest wait; the signal's reason when it is aborted meanwhile.
   */
  enter(bytes: number, signal: AbortSignal): Promise<Place>;
  /** Enters without waiting, however full it is: for whoever holds what those inside may wait for. */
  enterNow(bytes: number): Place;
}

const RETRY_AFTER_SECONDS = 1;

export function createRoom(limitBytes: number, waitMaxMs: number): Room {
  const waiting: { bytes: number; admit: (place: Place) => void }[] = [];
  let taken = 0;

  function change(bytes: number): void {
    taken += bytes;
    for (let [next] = waiting; next !== undefined && fits(next.bytes); [next] = waiting) {
      waiting.shift();
      next.admit(openPlace(next.bytes));
    }
  }

  function fits(bytes: number): boolean {
    return taken === 0 || taken + bytes <= limitBytes;
  }

  function openPlace(bytes: number): Place {
    taken += bytes;
    let held = bytes;
    let isIn = true;
    function resize(other: number): void {
      if (isIn) {
        const more = other - held;
        held = other;
        change(more);
      }
    }
    return {
      resize,
      leave() {
        resize(0);
        isIn = false;
      },
    };
  }

  return {
    enterNow: openPlace,
    async enter(bytes, signal) {
      signal.throwIfAborted();
      if (waiting.length === 0 && fits(bytes)) {
        return openPlace(bytes);
      }
      const { promise, resolve, reject } = Promise.withResolvers<Place>();
      const entry = { bytes, admit: resolve };
      function giveUp(reason: unknown): void {
        const at = waiting.indexOf(entry);
        if (at !== -1) {
          waiting.splice(at, 1);
          reject(reason);
          // Those behind may be smaller.
          change(0);
        }
      }
      const abort = (): void => giveUp(signal.reason);
      const tooLate = new RequestError({ kind: 'overloaded', retryAfterSeconds: RETRY_AFTER_SECONDS });
      const timer = setTimeout(() => giveUp(tooLate), waitMaxMs);
      signal.addEventListener('abort', abort);
      waiting.push(entry);
      // Whoever leaves admits the next, and may be of another request, whose timers and signals are its own.
      try {
        return await promise;
      } finally {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
      }
    },
  };
}
