/** How far something has come, for who follows it: a number that only rises. */
export interface Watermark {
  raise(level: number): void;
  /**
   * The level, as soon as it is above `level`.
   *
   * @throws the reason of the signal that it was made with, when that aborts first
   */
  above(level: number): Promise<number>;
}

export function createWatermark(signal: AbortSignal): Watermark {
  let current = 0;
  let waiting: (() => void)[] = [];
  const wake = (): void => {
    const woken = waiting;
    waiting = [];
    woken.forEach((resume) => resume());
  };
  signal.addEventListener('abort', wake, { once: true });
  return {
    raise(level) {
      current = Math.max(current, level);
      wake();
    },
    async above(level) {
      for (;;) {
        signal.throwIfAborted();
        if (current > level) {
          return current;
        }
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    },
  };
}
