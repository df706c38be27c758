import { describe, expect, it } from 'vitest';
import { intersect, lengthAutomaton, patternAutomaton } from '../../../src/endpoint/grammar/pattern.ts';
import { UnsupportedSchema } from '../../../src/endpoint/grammar/unsupported-schema.ts';
import { createWorkBudget } from '../../../src/endpoint/grammar/work-budget.ts';
import { createRandom } from '../../../src/endpoint/random.ts';
import { accepts, codePoints } from '../../support/run-automaton.ts';

/** A few hundred milliseconds on a machine that does nothing else; without a bound it would be minutes. */
const ATTACK_MAX_MS = 4000;

const PATTERNS = [
  '',
  'a',
  '^a',
  'a$',
  '^$',
  '^a*$',
  '^(ab|a)(c|bcd)$',
  'a|b|^c$',
  '^a|b$',
  '(^a|b$)c?',
  'a^b',
  'a$b',
  '^(a?b){2,3}$',
  '^[abc]{0,4}$',
  '^a{2}$',
  '^a{2,}$',
  '^(?:a|(?<name>b))+?$',
  '^[^ab]$',
  '^[a-c\\]\\\\-]+$',
  '^.$',
  '^\\d+\\D$',
  '^\\w\\W$',
  '^\\s\\S$',
  '^[\\s\\S]{2}$',
  '^[^\\d]b*$',
  '\\t|\\n|\\r|\\f|\\v|\\0|\\cA',
  '^\\x61\\u0062\\u{63}$',
  '^\\u{1F600}|\\ud83d\\ude00b$',
  '^[😀-😂é]$',
  '^(a|b)*a(a|b){3}$',
  '^((a*)*b)*$',
  '\\.\\*\\+\\?\\(\\)\\[\\]\\{\\}\\^\\$\\|\\/',
  'a{,2}',
  '(?:)',
  '^a||b$',
];
const ALPHABET = [
  'a',
  'b',
  'c',
  'd',
  'A',
  '0',
  '9',
  '_',
  ' ',
  '\n',
  '\t',
  '\u2028',
  '\u00a0',
  '.',
  '-',
  ']',
  '\\',
  '{',
  ',',
  '2',
  '}',
  'é',
  '😀',
  '😁',
  '\u0001',
  '*',
];

describe('patternAutomaton', () => {
  it.each(PATTERNS)('accepts what the RegExp of the runtime finds: %j', (pattern) => {
    // `a{,2}` and the like are errors with the flag u, and plain characters without.
    const oracle = pattern === 'a{,2}' ? new RegExp(pattern) : new RegExp(pattern, 'u');
    const automaton = patternAutomaton(pattern, createWorkBudget());
    const random = createRandom(1);
    const texts = ['', 'aaba', 'abab', 'abcd', 'a{,2}', '.*+?()[]{}^$|/', 'bbbb', 'aaaa', '😀', '😀b'];
    for (let i = 0; i < 600; i++) {
      const small = random() < 0.5 ? 3 : ALPHABET.length;
      const letters = Array.from(
        { length: Math.floor(random() * 6) },
        () => ALPHABET[Math.floor(random() * small)] ?? '',
      );
      texts.push(letters.join(''));
    }
    for (const text of texts) {
      expect(automaton !== null && accepts(automaton, codePoints(text)), JSON.stringify(text)).toBe(oracle.test(text));
    }
  });

  it.each([
    '(?=a)',
    '(?!a)',
    '(?<=a)',
    '(?i:a)',
    '\\1',
    '\\k<a>',
    '\\b',
    '\\B',
    '\\p{L}',
    '\\q',
    '(',
    ')',
    '[a',
    '*',
    'a**',
    'a{3,2}',
    '[b-a]',
    '[a-\\d]',
    '^*',
    '\\u{110000}',
    '\\',
  ])('refuses %j by name', (pattern) => {
    expect(() => patternAutomaton(pattern, createWorkBudget())).toThrow(UnsupportedSchema);
  });

  it.each([
    '(a|b)*a(a|b){40}',
    '(\\w*\\s*)*x.{0,300}y',
    '((((a{50}){50}){50}){50})',
    '(.|\\w|\\s){0,900}$',
    '(x{0,99}){0,99}',
    `${'(a?'.repeat(200)}${')'.repeat(200)}${'a'.repeat(200)}`,
    '((){999999999}){999999999}',
  ])('is done within seconds with %j, one way or the other', (pattern) => {
    const started = performance.now();
    const outcome = (): unknown => patternAutomaton(pattern, createWorkBudget());
    expect([null, 'UnsupportedSchema']).toContain(faultOf(outcome));
    expect(performance.now() - started).toBeLessThan(ATTACK_MAX_MS);
  });
});

describe('intersect', () => {
  it('accepts what both accept, lengths included', () => {
    const budget = createWorkBudget();
    const word = patternAutomaton('^[ab]+$', budget);
    const length = lengthAutomaton(2, 3, budget);
    const both = word === null || length === null ? null : intersect(word, length, budget);
    for (const text of ['', 'a', 'ab', 'aba', 'abab', 'ac']) {
      expect(both !== null && accepts(both, codePoints(text))).toBe(/^[ab]{2,3}$/.test(text));
    }
  });

  it('is null where there is nothing', () => {
    const budget = createWorkBudget();
    const [five, three] = [lengthAutomaton(5, Infinity, budget), lengthAutomaton(0, 3, budget)];
    expect(five === null || three === null ? undefined : intersect(five, three, budget)).toBeNull();
  });
});

/** The name of the error that a call throws; null when it throws none. */
function faultOf(run: () => unknown): string | null {
  try {
    run();
    return null;
  } catch (error) {
    return error instanceof Error ? error.name : 'no error';
  }
}
