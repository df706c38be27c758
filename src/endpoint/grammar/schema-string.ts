import { PATTERN_MAX_CHARS } from '../../core/limits.ts';
import type { JsonObject } from '../../core/protocol/json-object.ts';
import type { Automaton } from './automaton.ts';
import { type Expression, NOTHING } from './expression.ts';
import { ANY_STRING, string, stringOfLength } from './json-value.ts';
import { intersect, lengthAutomaton, patternAutomaton } from './pattern.ts';
import { STRING_FORMATS } from './string-format.ts';
import { at, placeIn, UnsupportedSchema } from './unsupported-schema.ts';
import type { WorkBudget } from './work-budget.ts';

/**
 * The strings that a schema's `pattern`, `format` and length allow.
 *
 * @param place where the schema stands.
 * @throws UnsupportedSchema naming the keyword at fault.
 */
export function stringExpression(
  schema: JsonObject,
  { min, max }: { min: number; max: number },
  place: string,
  budget: WorkBudget,
): Expression {
  const patterns = [...patternOf(schema, place), ...formatOf(schema, place)];
  const bounded = min > 0 || max !== Infinity;
  if (patterns.length === 0) {
    return bounded ? stringOfLength(min, max) : ANY_STRING;
  }
  let inside: Automaton | null | undefined;
  for (const { keyword, automaton } of [
    ...patterns.map(({ keyword, source }) => ({ keyword, automaton: () => patternAutomaton(source, budget) })),
    ...(bounded ? [{ keyword: 'maxLength', automaton: () => lengthAutomaton(min, max, budget) }] : []),
  ]) {
    inside = at(placeIn(place, keyword), () => both(inside, automaton(), budget));
  }
  return inside === null || inside === undefined ? NOTHING : string(inside, budget);
}

function both(a: Automaton | null | undefined, b: Automaton | null, budget: WorkBudget): Automaton | null {
  return a === undefined ? b : a === null || b === null ? null : intersect(a, b, budget);
}

function patternOf(schema: JsonObject, place: string): { keyword: string; source: string }[] {
  const source = schema['pattern'];
  if (source === undefined) {
    return [];
  }
  if (typeof source !== 'string' || source.length > PATTERN_MAX_CHARS) {
    throw new UnsupportedSchema(placeIn(place, 'pattern'), `no pattern of at most ${PATTERN_MAX_CHARS} characters`);
  }
  return [{ keyword: 'pattern', source }];
}

function formatOf(schema: JsonObject, place: string): { keyword: string; source: string }[] {
  const format = schema['format'];
  if (format === undefined) {
    return [];
  }
  const source = typeof format === 'string' ? STRING_FORMATS.get(format) : undefined;
  if (source === undefined) {
    const known = [...STRING_FORMATS.keys()].join(', ');
    throw new UnsupportedSchema(placeIn(place, 'format'), `the format ${JSON.stringify(format)}; known are ${known}`);
  }
  return [{ keyword: 'format', source }];
}
