import { describe, expect, it } from 'vitest';
import { jsonBytes } from '../../../src/endpoint/grammar/json-string.ts';
import { noneOf } from '../../../src/endpoint/grammar/none-of.ts';
import { utf8Ranges } from '../../../src/endpoint/grammar/utf8-ranges.ts';
import { createWorkBudget } from '../../../src/endpoint/grammar/work-budget.ts';
import { createRandom } from '../../../src/endpoint/random.ts';
import { accepts, codePoints, utf8 } from '../../support/run-automaton.ts';

const SURROGATE = (point: number): boolean => point >= 0xd800 && point <= 0xdfff;

describe('utf8Ranges', () => {
  it('covers exactly the encodings of the code points between its ends', () => {
    const random = createRandom(3);
    const edges = [0, 0x7f, 0x80, 0x7ff, 0x800, 0xfff, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x3ffff, 0x40000, 0x10ffff];
    for (let i = 0; i < 300; i++) {
      const pick = (): number =>
        random() < 0.5 ? (edges[Math.floor(random() * edges.length)] ?? 0) : Math.floor(random() * 0x110000);
      const [low = 0, high = 0] = [pick(), pick()].sort((a, b) => a - b);
      const sequences = utf8Ranges(low, high);
      for (const point of [low, high, low - 1, high + 1, ...edges, Math.floor((low + high) / 2)]) {
        if (point < 0 || point > 0x10ffff || SURROGATE(point)) {
          continue;
        }
        const bytes = utf8(String.fromCodePoint(point));
        const matches = sequences.filter(
          (ranges) =>
            ranges.length === bytes.length &&
            ranges.every((range, at) => range.low <= (bytes[at] ?? -1) && (bytes[at] ?? 256) <= range.high),
        );
        expect(matches.length, `${point} in ${low} to ${high}`).toBe(low <= point && point <= high ? 1 : 0);
      }
    }
  });
});

describe('jsonBytes', () => {
  const one = jsonBytes(
    { edges: [[{ low: 0, high: 0x10ffff, to: 1 }], []], accepts: [false, true] },
    createWorkBudget(),
  );

  it('spells every character as JSON.stringify does', () => {
    const points = Array.from({ length: 0x110000 }, (_, point) => point).filter(
      (point) => !SURROGATE(point) && (point < 0x3000 || point % 97 === 0),
    );
    for (const point of points) {
      const inside = JSON.stringify(String.fromCodePoint(point)).slice(1, -1);
      expect(one !== null && accepts(one, utf8(inside)), inside).toBe(true);
    }
  });

  it.each(['"', '\\', '\n', '\\u0041', '\\/', '\\x41', '\\u000a', 'ab', ''])(
    'takes no other spelling: %j',
    (inside) => {
      expect(one !== null && accepts(one, utf8(inside))).toBe(false);
    },
  );

  it('takes no bytes that are not UTF-8', () => {
    for (const bytes of [[0xff], [0x80], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]]) {
      expect(one !== null && accepts(one, bytes)).toBe(false);
    }
  });
});

describe('noneOf', () => {
  it('accepts every other text', () => {
    const names = ['a', 'ab', 'abc', 'b', 'é😀', ''];
    const automaton = noneOf(names);
    for (const text of [...names, 'aa', 'abcd', 'c', 'é', 'é😁', 'bb', 'ac']) {
      expect(automaton !== null && accepts(automaton, codePoints(text))).toBe(!names.includes(text));
    }
  });
});
