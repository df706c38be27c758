import type { Automaton } from './automaton.ts';
import { choice, type Expression, literal, type Members, repeat, rule, sequence, texts } from './expression.ts';
import { jsonBytes } from './json-string.ts';
import { numberAutomaton } from './number-range.ts';
import { noneOf } from './none-of.ts';
import { LAST_CODE_POINT } from './pattern-syntax.ts';
import { createWorkBudget, type WorkBudget } from './work-budget.ts';

/**
 * JSON on one line, with a space after a colon or a comma or without. Any more blanks would be a place where a model that
 * does not know how to go on writes them for ever, and each is a token.
 */
const SPACE = choice(literal(''), literal(' '));
const COLON = sequence(literal(':'), SPACE);
const COMMA = sequence(literal(','), SPACE);

const ANY_CHARACTERS: Automaton = {
  edges: [[{ low: 0, high: LAST_CODE_POINT, to: 0 }]],
  accepts: [true],
};

const CHARACTER = texts(
  jsonBytes({ edges: [[{ low: 0, high: LAST_CODE_POINT, to: 1 }], []], accepts: [false, true] }, createWorkBudget()),
);

/** A string of `min` to `max` characters. */
export function stringOfLength(min: number, max: number): Expression {
  return sequence(literal('"'), repeat(CHARACTER, min, max), literal('"'));
}

/** A string whose inside an automaton over code points accepts; null is none. */
export function string(inside: Automaton | null, budget: WorkBudget): Expression {
  return sequence(literal('"'), texts(inside === null ? null : jsonBytes(inside, budget)), literal('"'));
}

/** A value as its shortest JSON text. */
export function constant(value: unknown): Expression {
  return literal(JSON.stringify(value));
}

export function array(item: Expression, min: number, max: number): Expression {
  return sequence(literal('['), repeat(item, min, max, COMMA), literal(']'));
}

export interface Property {
  name: string;
  value: Expression;
  required: boolean;
}

/** Properties in this order; after them others, of any other name, whose values are `rest`; null for none. */
export function object(
  properties: readonly Property[],
  rest: Expression | null,
  budget = createWorkBudget(),
): Expression {
  const members: Members = {
    kind: 'members',
    members: properties.map(({ name, value, required }) => ({
      expression: sequence(constant(name), COLON, value),
      required,
    })),
    rest: rest === null ? null : sequence(string(noneOf(properties.map(({ name }) => name)), budget), COLON, rest),
    separator: COMMA,
  };
  return sequence(literal('{'), members, literal('}'));
}

export const BOOLEAN: Expression = choice(literal('true'), literal('false'));
export const NULL: Expression = literal('null');
export const ANY_STRING: Expression = string(ANY_CHARACTERS, createWorkBudget());
export const ANY_NUMBER: Expression = texts(
  numberAutomaton({ integer: false, minimum: null, maximum: null, multipleOf: null }, createWorkBudget()),
);

/** Any JSON value. */
export const ANY_VALUE: Expression = rule((self) =>
  choice(object([], self), array(self, 0, Infinity), ANY_STRING, ANY_NUMBER, BOOLEAN, NULL),
);

/** Any JSON object. */
export const ANY_OBJECT: Expression = object([], ANY_VALUE);
