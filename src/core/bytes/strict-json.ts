import { JSON_DEPTH_MAX } from '../limits.ts';
import { MalformedFile } from './malformed-file.ts';

/**
 * `JSON.parse` that also refuses what it silently accepts in a file format: a key given twice (the last one would win)
 * and nesting deeper than any real file. Objects come back with own properties only, `__proto__` included.
 */
export function parseStrictJson(file: string, text: string): unknown {
  refuseDuplicateKeys(file, text);
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : 'a syntax error';
    throw new MalformedFile(file, 'JSON', found, 'valid JSON', { cause });
  }
}

/** Strict UTF-8: no replacement characters, no swallowed byte order mark. */
export function decodeUtf8(file: string, bytes: Uint8Array, place = 'JSON'): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new MalformedFile(file, place, 'bytes that are not UTF-8', 'UTF-8', { cause });
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COMMA = 0x2c;
const COLON = 0x3a;

/** One pass over the text, correct for every text that JSON.parse accepts; on others it may stop early. */
function refuseDuplicateKeys(file: string, text: string): void {
  /** Keys seen in each open object; null for an open array. */
  const open: (Set<string> | null)[] = [];
  let atKey = false;
  for (let i = 0; i < text.length; i += 1) {
    switch (text.charCodeAt(i)) {
      case QUOTE: {
        const end = endOfString(text, i);
        if (atKey) {
          addKey(file, open, text.slice(i, end));
        }
        i = end - 1;
        break;
      }
      case OPEN_BRACE:
      case OPEN_BRACKET:
        if (open.length === JSON_DEPTH_MAX) {
          const place = `character ${i}`;
          throw new MalformedFile(file, place, 'deeper nesting', `at most ${JSON_DEPTH_MAX} levels`);
        }
        atKey = text.charCodeAt(i) === OPEN_BRACE;
        open.push(atKey ? new Set() : null);
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        open.pop();
        atKey = false;
        break;
      case COMMA:
        atKey = open.at(-1) instanceof Set;
        break;
      case COLON:
        atKey = false;
        break;
    }
  }
}

/** Index after the closing quote, or the end of a text that lacks one. */
function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) {
      return i + 1;
    }
    if (code === BACKSLASH) {
      i += 1;
    }
  }
  return text.length;
}

function addKey(file: string, open: readonly (Set<string> | null)[], literal: string): void {
  const keys = open.at(-1);
  // Escapes can spell one key in two ways. What cannot be parsed here is reported by JSON.parse, with its position.
  const key = literal.includes('\\') ? unescape(literal) : literal.slice(1, -1);
  if (keys === undefined || keys === null || key === undefined) {
    return;
  }
  if (keys.has(key)) {
    throw new MalformedFile(file, JSON.stringify(key), 'the key twice', 'it once');
  }
  keys.add(key);
}

function unescape(literal: string): string | undefined {
  try {
    return String(JSON.parse(literal));
  } catch {
    return undefined;
  }
}
