/** Waits again and again for what mostly comes soon. */
export interface SilenceTimer {
  /**
   * The promise's result, or null when it is not there in time; the promise itself goes on. One wait at a time.
   *
   * @param dueAt when that is, in milliseconds of the clock; may move on while it is waited for.
   */
  wait<Result>(promise: Promise<Result>, dueAt: () => number): Promise<Result | null>;
  /** Waits no more. */
  end(): void;
}

/** One timer for all waits: to set and clear one for each token would cost as much as to relay it. */
export function createSilenceTimer(now: () => number): SilenceTimer {
  let timer: ReturnType<typeof setTimeout> | null = null;
  let waiting: { dueAt: () => number; giveUp: () => void } | null = null;

  function watch(): void {
    timer = null;
    if (waiting === null) {
      return;
    }
    const leftMs = waiting.dueAt() - now();
    if (leftMs <= 0) {
      waiting.giveUp();
    } else {
      timer = setTimeout(watch, leftMs);
    }
  }

  return {
    wait<Result>(promise: Promise<Result>, dueAt: () => number) {
      const { promise: settled, resolve, reject } = Promise.withResolvers<Result | null>();
      const wait = { dueAt, giveUp: () => resolve(null) };
      waiting = wait;
      // A timer that runs ends no later than this wait, since the clock of waits only moves on.
      timer ??= setTimeout(watch, Math.max(0, dueAt() - now()));
      const over = (): void => {
        waiting = waiting === wait ? null : waiting;
      };
      promise.then(resolve, reject);
      settled.then(over, over);
      return settled;
    },
    end() {
      clearTimeout(timer);
      timer = null;
    },
  };
}
