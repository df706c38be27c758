import { SCHEMA_MULTIPLE_OF_MAX, SCHEMA_NUMBER_MAX_DIGITS } from '../../core/limits.ts';
import { type Automaton, AutomatonBuilder } from './automaton.ts';
import { patternAutomaton } from './pattern.ts';
import { UnsupportedSchema } from './unsupported-schema.ts';
import type { WorkBudget } from './work-budget.ts';

export interface NumberRange {
  /** Whole numbers only, written without a fraction. */
  integer: boolean;
  minimum: Bound | null;
  maximum: Bound | null;
  /** A whole number; makes the numbers whole. */
  multipleOf: number | null;
}

export interface Bound {
  value: number;
  exclusive: boolean;
}

const DIGITS = SCHEMA_NUMBER_MAX_DIGITS;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;

/**
 * The numbers in a range, as JSON text.
 *
 * Up to 15 digits: within those, equal decimals are equal doubles, so that what lies within the bounds as written lies
 * there for whoever parses it. Numbers without any bound may have an exponent of two digits; with bounds there is none.
 *
 * @returns null when the range is empty.
 * @throws UnsupportedSchema for a multipleOf that is no whole number of a moderate size.
 */
export function numberAutomaton(range: NumberRange, budget: WorkBudget): Automaton | null {
  const { minimum, maximum, multipleOf } = range;
  const whole = range.integer || multipleOf !== null;
  if (
    multipleOf !== null &&
    !(Number.isInteger(multipleOf) && multipleOf >= 1 && multipleOf <= SCHEMA_MULTIPLE_OF_MAX)
  ) {
    throw new UnsupportedSchema('multipleOf', `${multipleOf}; whole numbers up to ${SCHEMA_MULTIPLE_OF_MAX} are taken`);
  }
  if (minimum === null && maximum === null && !whole) {
    return patternAutomaton(`^-?(0|[1-9]\\d{0,${DIGITS - 1}})(\\.\\d{1,${DIGITS}})?([eE][+-]?\\d{1,2})?$`, budget);
  }
  const builder = new AutomatonBuilder();
  const start = builder.add();
  const zero = { value: 0, exclusive: false };
  if (maximum === null || maximum.value >= 0) {
    const low = minimum !== null && minimum.value > 0 ? minimum : minimum?.value === 0 ? minimum : zero;
    addMagnitudes(builder, start, budget, { low, high: maximum, whole, multipleOf: multipleOf ?? 1 });
  }
  if (minimum === null || minimum.value < 0) {
    const minus = builder.add();
    builder.connect(start, MINUS, MINUS, minus);
    // −0 is written 0.
    const low = maximum !== null && maximum.value < 0 ? negate(maximum) : { value: 0, exclusive: true };
    const high = minimum === null ? null : negate(minimum);
    addMagnitudes(builder, minus, budget, { low, high, whole, multipleOf: multipleOf ?? 1 });
  }
  return builder.build();
}

function negate({ value, exclusive }: Bound): Bound {
  return { value: -value, exclusive };
}

interface Magnitudes {
  low: Bound;
  high: Bound | null;
  whole: boolean;
  multipleOf: number;
}

/** Where a number is: digits written, and whether all of them were those of a bound so far. */
interface Place {
  /** Digits before the point still to come. */
  ahead: number;
  /** Digits after the point so far; null before the point. */
  behind: number | null;
  lowTight: boolean;
  highTight: boolean;
  remainder: number;
}

/** Numbers without sign: for each count of digits before the point, digit by digit along both bounds. */
function addMagnitudes(
  builder: AutomatonBuilder,
  start: number,
  budget: WorkBudget,
  { low, high, whole, multipleOf }: Magnitudes,
): void {
  const lowest = decimal(low.value);
  const highest = high === null ? null : decimal(high.value);
  // Whole numbers that are on neither bound are alike when as many digits are to come, however many there were.
  const shared = new Map<string, number>();
  for (let length = 1; length <= DIGITS; length++) {
    if (lowest.whole.length <= length && (highest === null || highest.whole.length >= length)) {
      addLength(length);
    }
  }

  function addLength(length: number): void {
    const own = new Map<string, number>();
    const queue: [number, Place][] = [];
    const bounded = highest !== null && highest.whole.length === length;

    function stateOf(place: Place): number {
      const { ahead, behind, lowTight, highTight, remainder } = place;
      const states = whole && !lowTight && !highTight ? shared : own;
      const key = [ahead, behind, lowTight, highTight, remainder].join();
      const known = states.get(key);
      if (known !== undefined) {
        return known;
      }
      budget.spend(256);
      const state = builder.add(ends(place));
      states.set(key, state);
      queue.push([state, place]);
      return state;
    }

    /** The digit of a bound that stands where the next digit of a place does. */
    function digitOf(bound: Decimal, { ahead, behind }: Place): number {
      return behind === null ? Number(bound.whole[length - ahead]) : Number(bound.fraction[behind] ?? 0);
    }

    /** Whether a bound has digits other than 0 behind a place. */
    function goesOn(bound: Decimal, { behind }: Place): boolean {
      return /[1-9]/.test(bound.fraction.slice(behind ?? 0));
    }

    function ends(place: Place): boolean {
      const { ahead, behind, lowTight, highTight, remainder } = place;
      if (ahead > 0 || behind === 0 || remainder !== 0) {
        return false;
      }
      const fromBelow = !lowTight || (!goesOn(lowest, place) && !low.exclusive);
      const fromAbove = !highTight || highest === null || goesOn(highest, place) || high?.exclusive === false;
      return fromBelow && fromAbove;
    }

    function addDigits(state: number, place: Place): void {
      const { ahead, behind, lowTight, highTight, remainder } = place;
      const first = ahead === length && length > 1 ? 1 : 0;
      const from = lowTight ? digitOf(lowest, place) : 0;
      const to = highTight && highest !== null ? digitOf(highest, place) : 9;
      for (let digit = Math.max(first, from); digit <= to; digit++) {
        const next = stateOf({
          ahead: behind === null ? ahead - 1 : 0,
          behind: behind === null ? null : behind + 1,
          lowTight: lowTight && digit === from,
          highTight: highTight && digit === to,
          remainder: (remainder * 10 + digit) % multipleOf,
        });
        builder.connect(state, ZERO + digit, ZERO + digit, next);
      }
    }

    const begin = {
      ahead: length,
      behind: null,
      lowTight: lowest.whole.length === length,
      highTight: bounded,
      remainder: 0,
    };
    queue.push([start, begin]);
    for (const [state, place] of queue) {
      if (place.ahead > 0 || (place.behind !== null && length + place.behind < DIGITS)) {
        addDigits(state, place);
      }
      if (place.ahead === 0 && place.behind === null && !whole) {
        builder.connect(state, POINT, POINT, stateOf({ ...place, behind: 0 }));
      }
    }
  }
}

interface Decimal {
  /** Digits before the point, without leading zeros; at least one. */
  whole: string;
  /** Digits after it. */
  fraction: string;
}

/** The shortest decimal that is a double, without exponent. */
function decimal(value: number): Decimal {
  const [mantissa = '', exponent = '0'] = value.toString().split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  const shift = Number(exponent);
  const digits = whole + fraction;
  const point = whole.length + shift;
  const padded = point < 1 ? '0'.repeat(1 - point) + digits : digits.padEnd(point, '0');
  const at = Math.max(point, 1);
  return { whole: padded.slice(0, at).replace(/^0+(?=\d)/, ''), fraction: padded.slice(at) };
}
