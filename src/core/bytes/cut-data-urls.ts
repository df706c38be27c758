const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** What a data URL of base64 begins with (RFC 2397), in characters that JSON has no escapes for. */
const BASE64_HEAD = /^data:[\w.+/=; -]{0,256};base64,/i;
const HEAD_MAX_CHARS = 280;
/** Shorter ones are not worth it. */
const CUT_MIN_BYTES = 4096;
/** Strings that are looked at: pictures do not come behind more of them, and each costs a search. */
const STRINGS_MAX = 65_536;

/** A JSON text without its data URLs, and their base64, by the names that stand in their places. */
export interface CutJson {
  readonly pieces: readonly Uint8Array[];
  /** Views of the bytes that were given. */
  readonly cut: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
}

/**
 * Finds the strings of a JSON text (RFC 8259 §7) that are long data URLs and puts names in their places, so that a picture
 * need not become a string to become bytes again. Nothing is copied or changed. A string with an escape in it
 * stays; a byte that JSON forbids within one is no base64 either, and is found when that is decoded.
 *
 * @param newName gives a string that nobody can guess and that JSON needs no escapes for.
 */
export function cutDataUrls(json: Uint8Array<ArrayBuffer>, newName: () => string): CutJson {
  const utf8 = new TextEncoder();
  const pieces: Uint8Array[] = [];
  const cut = new Map<string, Uint8Array<ArrayBuffer>>();
  let kept = 0;
  let at = 0;
  for (let strings = 0; strings < STRINGS_MAX; strings++) {
    const start = json.indexOf(QUOTE, at) + 1;
    const end = start === 0 ? -1 : endOfString(json, start);
    if (end === -1) {
      break;
    }
    at = end + 1;
    const base64 = end - start < CUT_MIN_BYTES ? null : base64Of(json.subarray(start, end));
    if (base64 !== null) {
      const name = newName();
      cut.set(name, base64);
      pieces.push(json.subarray(kept, start), utf8.encode(name));
      kept = end;
    }
  }
  pieces.push(json.subarray(kept));
  return { pieces, cut };
}

/** Index of the quote that ends a string; −1 where none does. */
function endOfString(json: Uint8Array, start: number): number {
  let end = json.indexOf(QUOTE, start);
  while (end !== -1 && isEscaped(json, end)) {
    end = json.indexOf(QUOTE, end + 1);
  }
  return end;
}

/** By an odd number of backslashes before it. */
function isEscaped(json: Uint8Array, at: number): boolean {
  let first = at;
  while (json[first - 1] === BACKSLASH) {
    first--;
  }
  return (at - first) % 2 === 1;
}

function base64Of(text: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> | null {
  const [head] = BASE64_HEAD.exec(new TextDecoder('latin1').decode(text.subarray(0, HEAD_MAX_CHARS))) ?? [];
  return head === undefined || text.includes(BACKSLASH) ? null : text.subarray(head.length);
}
