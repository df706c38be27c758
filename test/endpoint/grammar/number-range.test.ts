import { describe, expect, it } from 'vitest';
import { type Bound, numberAutomaton, type NumberRange } from '../../../src/endpoint/grammar/number-range.ts';
import { UnsupportedSchema } from '../../../src/endpoint/grammar/unsupported-schema.ts';
import { createWorkBudget } from '../../../src/endpoint/grammar/work-budget.ts';
import { createRandom, type Random } from '../../../src/endpoint/random.ts';
import { accepts, codePoints } from '../../support/run-automaton.ts';

const BOUNDS = [
  0, 1, -1, 0.5, -0.5, 7, 9, 10, 11, 99, 100, 101, -99, -100, 123.456, 1e-7, 1e14, -1e14, 0.1, 0.30000000000000004, 1.5,
  1e-20, 5e20,
];

function within(value: number, { integer, minimum, maximum, multipleOf }: NumberRange): boolean {
  const above = minimum === null || (minimum.exclusive ? value > minimum.value : value >= minimum.value);
  const below = maximum === null || (maximum.exclusive ? value < maximum.value : value <= maximum.value);
  return above && below && (!integer || Number.isInteger(value)) && (multipleOf === null || value % multipleOf === 0);
}

/** A decimal near some bound, as JSON writes it. */
function randomText(random: Random): string {
  const near = BOUNDS[Math.floor(random() * BOUNDS.length)] ?? 0;
  const digits = Math.floor(random() * 8);
  const value = near + (random() < 0.4 ? 0 : (random() - 0.5) * 10 ** (Math.floor(random() * 6) - 3));
  const text = random() < 0.5 ? value.toFixed(digits) : String(Math.trunc(value));
  return text.replace(/^-(0(\.0*)?)$/, '$1');
}

describe('numberAutomaton', () => {
  it('accepts exactly the decimals in its range', () => {
    const random = createRandom(9);
    const bound = (): Bound | null =>
      random() < 0.25 ? null : { value: BOUNDS[Math.floor(random() * BOUNDS.length)] ?? 0, exclusive: random() < 0.5 };
    let inside = 0;
    for (let i = 0; i < 400; i++) {
      const [minimum, maximum] = [bound(), bound()];
      const range: NumberRange = {
        integer: random() < 0.4 || (minimum === null && maximum === null),
        minimum,
        maximum,
        multipleOf: random() < 0.2 ? 1 + Math.floor(random() * 12) : null,
      };
      const automaton = numberAutomaton(range, createWorkBudget());
      for (let j = 0; j < 60; j++) {
        const text = randomText(random);
        const whole = range.integer || range.multipleOf !== null;
        const written = text.replace('-', '').replace('.', '').length <= 15 && !(whole && text.includes('.'));
        const expected = written && !text.includes('e') && within(Number(text), range);
        inside += expected ? 1 : 0;
        const found = automaton !== null && accepts(automaton, codePoints(text));
        expect(found, `${text} in ${JSON.stringify(range)}`).toBe(expected);
      }
    }
    expect(inside).toBeGreaterThan(2000);
  });

  it.each(['-0', '01', '1.', '.5', '+1', '1e5', '--1', '', '1.0.0'])('accepts no %j between bounds', (text) => {
    const range = {
      integer: false,
      minimum: { value: -5, exclusive: false },
      maximum: { value: 5, exclusive: false },
      multipleOf: null,
    };
    const automaton = numberAutomaton(range, createWorkBudget());
    expect(automaton !== null && accepts(automaton, codePoints(text))).toBe(false);
  });

  it('takes any finite number where there are no bounds', () => {
    const automaton = numberAutomaton(
      { integer: false, minimum: null, maximum: null, multipleOf: null },
      createWorkBudget(),
    );
    for (const text of ['0', '-0.5', '12.25', '1e5', '6.02E+23', '999999999999999.9e99']) {
      expect(Number.isFinite(Number(text)) && automaton !== null && accepts(automaton, codePoints(text)), text).toBe(
        true,
      );
    }
    expect(automaton !== null && accepts(automaton, codePoints('1e999'))).toBe(false);
  });

  it.each([0.5, 0, -3, 1001, NaN])('refuses multipleOf %d', (multipleOf) => {
    expect(() =>
      numberAutomaton({ integer: true, minimum: null, maximum: null, multipleOf }, createWorkBudget()),
    ).toThrow(UnsupportedSchema);
  });
});
