export interface Decoded {
  /** Text that no later token can change. */
  text: string;
  /** A stop string was completed; `text` ends before it. */
  stopped: boolean;
}

export interface Detokenizer {
  /** Takes the bytes of the next token. */
  push(bytes: Uint8Array): Decoded;
  /** The text still held back, when the answer ends here. */
  flush(): string;
}

/**
 * Bytes of tokens to text, piece by piece. Two things are held back: bytes that are the beginning of a character
 * (a token border can lie inside an emoji) and text that is the beginning of a stop string. Invalid bytes become
 * U+FFFD as soon as they are certain to be invalid, so the pieces always concatenate to the decoded whole.
 *
 * @param stop stop strings, none empty. Neither they nor anything behind them is ever part of the text.
 */
export function createDetokenizer(stop: readonly string[]): Detokenizer {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let held = '';

  function take(more: string, last: boolean): Decoded {
    held += more;
    const end = earliest(held, stop);
    if (end !== undefined) {
      const text = held.slice(0, end);
      held = '';
      return { text, stopped: true };
    }
    const cut = held.length - (last ? 0 : begunLength(held, stop));
    const text = held.slice(0, cut);
    held = held.slice(cut);
    return { text, stopped: false };
  }

  return {
    push: (bytes) => take(decoder.decode(bytes, { stream: true }), false),
    flush: () => take(decoder.decode(), true).text,
  };
}

/** Where the first stop string begins. */
function earliest(text: string, stop: readonly string[]): number | undefined {
  const found = stop.map((string) => text.indexOf(string)).filter((index) => index !== -1);
  return found.length === 0 ? undefined : Math.min(...found);
}

/** Length of the longest end of `text` that begins a stop string. */
function begunLength(text: string, stop: readonly string[]): number {
  const longest = Math.max(0, ...stop.map((string) => string.length - 1));
  for (let length = Math.min(longest, text.length); length > 0; length--) {
    const end = text.slice(-length);
    if (stop.some((string) => string.startsWith(end))) {
      return length;
    }
  }
  return 0;
}
