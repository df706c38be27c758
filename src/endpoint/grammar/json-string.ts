import { type Automaton, AutomatonBuilder, type Edge } from './automaton.ts';
import { type ByteRange, utf8Ranges } from './utf8-ranges.ts';
import type { WorkBudget } from './work-budget.ts';

/** What JSON writes with a short escape (RFC 8259, §7). */
const SHORT_ESCAPES: readonly (readonly [codePoint: number, letter: string])[] = [
  [0x08, 'b'],
  [0x09, 't'],
  [0x0a, 'n'],
  [0x0c, 'f'],
  [0x0d, 'r'],
  [0x22, '"'],
  [0x5c, '\\'],
];
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const CONTROL_LAST = 0x1f;

/**
 * An automaton over code points as one over the bytes of a JSON string's inside.
 *
 * Every character has one spelling: itself as UTF-8, or the shortest escape where JSON wants one. So two keys of an object
 * are equal exactly when their bytes are, and a length counts characters, whatever a model would rather write.
 */
export function jsonBytes(text: Automaton, budget: WorkBudget): Automaton | null {
  const builder = new AutomatonBuilder();
  /** States from which only some bytes lead to a state: characters share their ends. */
  const ends = new Map<string, number>();
  for (const accepts of text.accepts) {
    builder.add(accepts);
  }

  /** The state from which these bytes lead to `to`. */
  function before(ranges: readonly ByteRange[], to: number): number {
    const [first, ...rest] = ranges;
    if (first === undefined) {
      return to;
    }
    const key = `${to} ${ranges.map(({ low, high }) => `${low}-${high}`).join(' ')}`;
    let state = ends.get(key);
    if (state === undefined) {
      state = builder.add();
      ends.set(key, state);
      builder.connect(state, first.low, first.high, before(rest, to));
    }
    return state;
  }

  for (const [from, edges] of text.edges.entries()) {
    for (const edge of edges) {
      for (const [first, ...rest] of spellings(edge)) {
        budget.spend(64);
        if (first !== undefined) {
          builder.connect(from, first.low, first.high, before(rest, edge.to));
        }
      }
    }
  }
  return builder.build();
}

/** The bytes of all characters from `low` to `high`. */
function spellings({ low, high }: Edge): ByteRange[][] {
  const within = (codePoint: number): boolean => low <= codePoint && codePoint <= high;
  const escaped = SHORT_ESCAPES.filter(([codePoint]) => within(codePoint));
  const controls = range(low, Math.min(high, CONTROL_LAST)).filter(
    (control) => !escaped.some(([codePoint]) => codePoint === control),
  );
  const texts = [
    ...escaped.map(([, letter]) => `\\${letter}`),
    ...controls.map((codePoint) => `\\u${codePoint.toString(16).padStart(4, '0')}`),
  ];
  const found = texts.map((text) => Array.from(text, (character) => single(character.charCodeAt(0))));
  // Between the escaped characters everything stands for itself.
  let start = Math.max(low, CONTROL_LAST + 1);
  for (const hole of [QUOTE, BACKSLASH, high + 1]) {
    if (hole >= start && hole <= high + 1) {
      found.push(...utf8Ranges(start, hole - 1));
      start = hole + 1;
    }
  }
  return found;
}

function single(byte: number): ByteRange {
  return { low: byte, high: byte };
}

function range(low: number, high: number): number[] {
  return Array.from({ length: Math.max(0, high - low + 1) }, (_, index) => low + index);
}
