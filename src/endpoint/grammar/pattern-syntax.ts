import { UnsupportedSchema } from './unsupported-schema.ts';

/** A regular expression as JSON Schema takes it: ECMA-262 with the flag `u`, over code points. */
export type Pattern =
  | { kind: 'set'; ranges: readonly CharacterRange[] }
  | { kind: 'sequence'; parts: readonly Pattern[] }
  | { kind: 'choice'; options: readonly Pattern[] }
  | { kind: 'repeat'; item: Pattern; min: number; max: number }
  | { kind: 'start' }
  | { kind: 'end' };

/** Code points from `low` to `high`, both included. */
export interface CharacterRange {
  readonly low: number;
  readonly high: number;
}

export const LAST_CODE_POINT = 0x10ffff;

const DIGIT: CharacterRange[] = [{ low: 0x30, high: 0x39 }];
const WORD: CharacterRange[] = [
  { low: 0x30, high: 0x39 },
  { low: 0x41, high: 0x5a },
  { low: 0x5f, high: 0x5f },
  { low: 0x61, high: 0x7a },
];
/** ECMA-262: WhiteSpace and LineTerminator. */
const SPACE: CharacterRange[] = [
  { low: 0x09, high: 0x0d },
  { low: 0x20, high: 0x20 },
  { low: 0xa0, high: 0xa0 },
  { low: 0x1680, high: 0x1680 },
  { low: 0x2000, high: 0x200a },
  { low: 0x2028, high: 0x2029 },
  { low: 0x202f, high: 0x202f },
  { low: 0x205f, high: 0x205f },
  { low: 0x3000, high: 0x3000 },
  { low: 0xfeff, high: 0xfeff },
];
const LINE_ENDS = [0x0a, 0x0d, 0x2028, 0x2029].map((point) => ({ low: point, high: point }));

const CLASSES: Record<string, readonly CharacterRange[]> = { d: DIGIT, w: WORD, s: SPACE };
const CONTROLS: Record<string, number> = { t: 0x09, n: 0x0a, v: 0x0b, f: 0x0c, r: 0x0d, '0': 0x00 };

/**
 * Reads a pattern.
 *
 * @throws UnsupportedSchema for a syntax error, and by name for what no finite automaton over single characters does:
 *   look-around, back references, word borders, Unicode properties.
 */
export function parsePattern(source: string): Pattern {
  const text = Array.from(source);
  let at = 0;

  const peek = (): string | undefined => text[at];
  const take = (expected: string): boolean => {
    const found = text[at] === expected;
    at += found ? 1 : 0;
    return found;
  };
  const fail = (what: string): UnsupportedSchema =>
    new UnsupportedSchema('', `${what} in the pattern ${JSON.stringify(source)}`);

  function choice(): Pattern {
    const options = [sequence()];
    while (take('|')) {
      options.push(sequence());
    }
    return options.length === 1 && options[0] !== undefined ? options[0] : { kind: 'choice', options };
  }

  function sequence(): Pattern {
    const parts: Pattern[] = [];
    while (at < text.length && peek() !== '|' && peek() !== ')') {
      parts.push(quantified(atom()));
    }
    return { kind: 'sequence', parts };
  }

  function quantified(item: Pattern): Pattern {
    const counts = quantifier();
    if (counts === null) {
      return item;
    }
    if (item.kind === 'start' || item.kind === 'end') {
      throw fail('a repeated anchor');
    }
    // Lazy or greedy: the same texts match.
    take('?');
    if (quantifier() !== null) {
      throw fail('a quantifier with nothing to repeat');
    }
    return { kind: 'repeat', item, ...counts };
  }

  function quantifier(): { min: number; max: number } | null {
    const simple = { '*': [0, Infinity], '+': [1, Infinity], '?': [0, 1] }[peek() ?? ''];
    if (simple !== undefined) {
      at += 1;
      return { min: simple[0] ?? 0, max: simple[1] ?? 0 };
    }
    const counted = /^\{(\d{1,9})(,(\d{0,9}))?\}/.exec(text.slice(at, at + 24).join(''));
    if (counted === null) {
      return null;
    }
    at += counted[0].length;
    const min = Number(counted[1]);
    const max = counted[2] === undefined ? min : counted[3] === '' ? Infinity : Number(counted[3]);
    if (max < min) {
      throw fail('a count out of order');
    }
    return { min, max };
  }

  function atom(): Pattern {
    const character = text[at++] ?? '';
    switch (character) {
      case '^':
        return { kind: 'start' };
      case '$':
        return { kind: 'end' };
      case '.':
        return { kind: 'set', ranges: complement(LINE_ENDS) };
      case '(':
        return group();
      case '[':
        return { kind: 'set', ranges: characterClass() };
      case '\\':
        return { kind: 'set', ranges: escape() };
      case '*':
      case '+':
      case '?':
        throw fail('a quantifier with nothing to repeat');
      default:
        return { kind: 'set', ranges: single(character) };
    }
  }

  function group(): Pattern {
    if (take('?')) {
      const named = /^<[A-Za-z_$][\w$]*>/.exec(text.slice(at, at + 64).join(''));
      if (named !== null) {
        at += named[0].length;
      } else if (!take(':')) {
        throw fail('look-around or flags');
      }
    }
    const inside = choice();
    if (!take(')')) {
      throw fail('a group without end');
    }
    return inside;
  }

  function characterClass(): CharacterRange[] {
    const negated = take('^');
    const ranges: CharacterRange[] = [];
    while (!take(']')) {
      if (at >= text.length) {
        throw fail('a class without end');
      }
      const first = classItem();
      const [low] = first;
      if (peek() === '-' && text[at + 1] !== ']' && at + 1 < text.length) {
        at += 1;
        const [high] = classItem();
        if (
          low === undefined ||
          high === undefined ||
          low.low !== low.high ||
          high.low !== high.high ||
          high.low < low.low
        ) {
          throw fail('a range out of order');
        }
        ranges.push({ low: low.low, high: high.low });
      } else {
        ranges.push(...first);
      }
    }
    return negated ? complement(ranges) : ranges;
  }

  function classItem(): readonly CharacterRange[] {
    const character = text[at++] ?? '';
    if (character !== '\\') {
      return single(character);
    }
    if (take('b')) {
      return [{ low: 0x08, high: 0x08 }];
    }
    return escape();
  }

  function escape(): readonly CharacterRange[] {
    const letter = text[at++] ?? '';
    const named = CLASSES[letter];
    if (named !== undefined) {
      return named;
    }
    const negated = CLASSES[letter.toLowerCase()];
    if (negated !== undefined) {
      return complement(negated);
    }
    const control = CONTROLS[letter];
    if (control !== undefined && !(letter === '0' && /^\d$/.test(peek() ?? ''))) {
      return [{ low: control, high: control }];
    }
    if (letter === 'x' || letter === 'u') {
      const point = hexadecimal(letter);
      return [{ low: point, high: point }];
    }
    if (letter === 'c' && /^[A-Za-z]$/.test(peek() ?? '')) {
      const point = (text[at++] ?? '').charCodeAt(0) % 32;
      return [{ low: point, high: point }];
    }
    if (letter === '' || /^[\p{L}\p{N}]$/u.test(letter)) {
      throw fail(`\\${letter}`);
    }
    return single(letter);
  }

  function hexadecimal(letter: string): number {
    const rest = text.slice(at, at + 12).join('');
    const found = (
      letter === 'x'
        ? /^([\da-f]{2})/i
        : /^(?:\{([\da-f]{1,6})\}|(d[89ab][\da-f]{2})\\u(d[c-f][\da-f]{2})|([\da-f]{4}))/i
    ).exec(rest);
    if (found === null) {
      throw fail(`\\${letter}`);
    }
    at += found[0].length;
    const [, direct, high, low, plain] = found;
    const point =
      high !== undefined && low !== undefined
        ? 0x10000 + (Number.parseInt(high, 16) - 0xd800) * 0x400 + Number.parseInt(low, 16) - 0xdc00
        : Number.parseInt(direct ?? plain ?? '', 16);
    if (point > LAST_CODE_POINT) {
      throw fail(`\\${letter}`);
    }
    return point;
  }

  const pattern = choice();
  if (at < text.length) {
    throw fail('a closing bracket without an opening one');
  }
  return pattern;
}

function single(character: string): CharacterRange[] {
  const point = character.codePointAt(0) ?? 0;
  return [{ low: point, high: point }];
}

/** All code points that are in none of the ranges. */
export function complement(ranges: readonly CharacterRange[]): CharacterRange[] {
  const holes: CharacterRange[] = [];
  let start = 0;
  for (const { low, high } of [...ranges].sort((a, b) => a.low - b.low)) {
    if (low > start) {
      holes.push({ low: start, high: low - 1 });
    }
    start = Math.max(start, high + 1);
  }
  return start > LAST_CODE_POINT ? holes : [...holes, { low: start, high: LAST_CODE_POINT }];
}
