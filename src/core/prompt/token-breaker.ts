import { RequestError } from '../protocol/failure.ts';
import { isJsonObject, type JsonObject } from '../protocol/json-object.ts';

/** Keeps what a client writes from becoming a token that steers the model. */
export interface TokenBreaker {
  /** The text with a mark inside every reserved token, so that neither a cut nor the tokenizer finds one. */
  split(text: string): string;
  /** The same for every text in a JSON value, names included. */
  splitAll(value: JsonObject): JsonObject;
  /** The rendered text without the marks, in pieces that are to be tokenized one by one. */
  pieces(text: string): string[];
}

/**
 * @param reserved spellings of the tokens.
 * @param texts all that a client wrote; the mark occurs in none of them.
 * @throws RequestError when no character is left for a mark.
 */
export function createTokenBreaker(reserved: readonly string[], texts: readonly string[]): TokenBreaker {
  const mark = unusedCharacter(texts);
  // The lookahead consumes only the first character of a token, so that overlapping tokens are all broken.
  const spellings = reserved.map((token) => token.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  const firstCharacter = new RegExp(spellings.length === 0 ? '(?!)' : `(?=${spellings.join('|')}).`, 'gsu');
  const split = (text: string): string => text.replaceAll(firstCharacter, (character) => character + mark);

  function splitValue(value: unknown): unknown {
    if (typeof value === 'string') {
      return split(value);
    }
    if (Array.isArray(value)) {
      return value.map(splitValue);
    }
    return isJsonObject(value) ? splitAll(value) : value;
  }

  function splitAll(value: JsonObject): JsonObject {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [split(name), splitValue(inner)]));
  }

  return { split, splitAll, pieces: (text) => text.split(mark) };
}

const PRIVATE_USE_FIRST = 0xe000;
const PRIVATE_USE_LAST = 0xf8ff;

/** A character that no text holds, so that it can mark places in the rendered prompt without ambiguity. */
function unusedCharacter(texts: readonly string[]): string {
  const used = new Set(texts.flatMap((text) => text.match(/[\ue000-\uf8ff]/g) ?? []));
  for (let code = PRIVATE_USE_FIRST; code <= PRIVATE_USE_LAST; code++) {
    const character = String.fromCharCode(code);
    if (!used.has(character)) {
      return character;
    }
  }
  throw new RequestError({
    kind: 'invalid-request',
    param: 'messages',
    message: 'The messages hold every private-use character; one must be left free',
  });
}
