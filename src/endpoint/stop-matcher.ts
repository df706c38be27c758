export interface Matched {
  /** Text that no later text can make part of a stop string. */
  text: string;
  /** A stop string was completed; `text` ends before it. */
  stopped: boolean;
}

/** Holds back text that is the beginning of a stop string. */
export interface StopMatcher {
  push(text: string): Matched;
  /** The text still held back, when the answer ends here. */
  flush(): string;
  /** Characters taken and not given out: held back, or a stop string and what followed it. */
  held(): number;
}

/** @param stop stop strings, none empty. Neither they nor anything behind them is ever part of the text. */
export function createStopMatcher(stop: readonly string[]): StopMatcher {
  let held = '';
  return {
    push(more) {
      held += more;
      const end = earliest(held, stop);
      const cut = end ?? held.length - begunLength(held, stop);
      const text = held.slice(0, cut);
      held = held.slice(cut);
      return { text, stopped: end !== undefined };
    },
    flush() {
      const text = held;
      held = '';
      return text;
    },
    held: () => held.length,
  };
}

/** Where the first of some strings begins. */
export function earliest(text: string, strings: readonly string[]): number | undefined {
  const found = strings.map((string) => text.indexOf(string)).filter((index) => index !== -1);
  return found.length === 0 ? undefined : Math.min(...found);
}

/** Length of the longest end of `text` that begins one of the strings. */
export function begunLength(text: string, strings: readonly string[]): number {
  const longest = Math.max(0, ...strings.map((string) => string.length - 1));
  for (let length = Math.min(longest, text.length); length > 0; length--) {
    const end = text.slice(-length);
    if (strings.some((string) => string.startsWith(end))) {
      return length;
    }
  }
  return 0;
}
