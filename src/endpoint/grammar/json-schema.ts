import {
  SCHEMA_COUNT_MAX,
  SCHEMA_ENUM_VALUES_MAX,
  SCHEMA_PARTS_MAX,
  SCHEMA_PROPERTIES_MAX,
} from '../../core/limits.ts';
import { isJsonObject, type JsonObject } from '../../core/protocol/json-object.ts';
import { oneOf } from './automaton.ts';
import { choice, type Expression, NOTHING, type Rule, texts } from './expression.ts';
import {
  ANY_NUMBER,
  ANY_OBJECT,
  ANY_STRING,
  ANY_VALUE,
  array,
  BOOLEAN,
  NULL,
  object,
  type Property,
} from './json-value.ts';
import { type Bound, numberAutomaton } from './number-range.ts';
import { schemaKeywords, type SchemaType } from './schema-keywords.ts';
import { resolveReference } from './schema-reference.ts';
import { stringExpression } from './schema-string.ts';
import { at, placeIn, UnsupportedSchema } from './unsupported-schema.ts';
import { createWorkBudget } from './work-budget.ts';

/**
 * The JSON texts of all values that a schema allows, or of some of them: what is written follows the schema, though not
 * everything that follows it can be written. Objects are written in the order of their properties, and hold others only
 * where `additionalProperties` says so, or where no property is named at all.
 *
 * @param options `lenient`: what cannot be kept of a schema is kept of its `type` alone.
 * @throws UnsupportedSchema naming the first keyword that is unknown, or that sampling cannot keep.
 */
export function schemaExpression(schema: JsonObject, { lenient = false } = {}): Expression {
  const budget = createWorkBudget();
  const references = new Map<string, Rule>();
  const pending: (() => void)[] = [];
  const strings = new Map<string, Expression>();
  const left = { properties: SCHEMA_PROPERTIES_MAX, values: SCHEMA_ENUM_VALUES_MAX, parts: SCHEMA_PARTS_MAX };

  function use(what: keyof typeof left, count: number, place: string): void {
    left[what] -= count;
    if (left[what] < 0) {
      throw new UnsupportedSchema(place, `more ${what} than one schema may have`);
    }
  }

  function compile(value: unknown, place: string): Expression {
    try {
      return compileExactly(value, place);
    } catch (cause) {
      if (lenient && cause instanceof UnsupportedSchema) {
        return ofType(value);
      }
      throw cause;
    }
  }

  function compileExactly(value: unknown, place: string): Expression {
    use('parts', 1, place);
    if (typeof value === 'boolean') {
      return value ? ANY_VALUE : NOTHING;
    }
    if (!isJsonObject(value)) {
      throw new UnsupportedSchema(place, 'no schema');
    }
    const node = schemaKeywords(value, place);
    switch (node.kind) {
      case 'reference':
        return follow(node.pointer, placeIn(place, '$ref'));
      case 'values':
        use('values', node.values.length, place);
        return texts(oneOf(node.values.map((entry) => new TextEncoder().encode(JSON.stringify(entry)))));
      case 'alternatives':
        return choice(
          ...node.schemas.map((entry, index) => compile(entry, placeIn(place, `${node.keyword}[${index}]`))),
        );
      case 'anything':
        return ANY_VALUE;
      case 'types':
        return choice(...node.types.map((type) => typed(type, value, place)));
    }
  }

  /** A reference is one rule wherever it stands, so that a schema may hold itself. */
  function follow(pointer: string, place: string): Rule {
    const known = references.get(pointer);
    if (known !== undefined) {
      return known;
    }
    const target = resolveReference(schema, pointer, place);
    const followed: Rule = { kind: 'rule', body: NOTHING };
    references.set(pointer, followed);
    // Later, from the top: a chain of references may be longer than the stack.
    pending.push(() => {
      followed.body = compile(target, pointer.slice(2).replaceAll('/', '.'));
    });
    return followed;
  }

  function typed(type: SchemaType, node: JsonObject, place: string): Expression {
    switch (type) {
      case 'object':
        return objectExpression(node, place);
      case 'array': {
        const items = node['items'] ?? true;
        if (Array.isArray(items)) {
          throw new UnsupportedSchema(placeIn(place, 'items'), 'a list of schemas');
        }
        const [min, max] = counts(node, 'minItems', 'maxItems', place);
        return array(compile(items, placeIn(place, 'items')), min, max);
      }
      case 'string': {
        const [min, max] = counts(node, 'minLength', 'maxLength', place);
        // Fields of one kind are written alike, and often by the hundred.
        const key = JSON.stringify([node['pattern'], node['format'], min, max]);
        const known = strings.get(key) ?? stringExpression(node, { min, max }, place, budget);
        strings.set(key, known);
        return known;
      }
      case 'number':
      case 'integer':
        return numeric(type, node, place);
      case 'boolean':
        return BOOLEAN;
      case 'null':
        return NULL;
    }
  }

  function objectExpression(node: JsonObject, place: string): Expression {
    const { properties = {}, required = [], additionalProperties } = node;
    if (!isJsonObject(properties)) {
      throw new UnsupportedSchema(placeIn(place, 'properties'), 'no object');
    }
    if (!Array.isArray(required) || required.some((name) => typeof name !== 'string')) {
      throw new UnsupportedSchema(placeIn(place, 'required'), 'no list of names');
    }
    const names = Object.keys(properties);
    use('properties', names.length + required.length, place);
    const open = additionalProperties ?? names.length === 0;
    const rest = open === false ? null : compile(open, placeIn(place, 'additionalProperties'));
    const wanted = new Set(required as string[]);
    const named = names.map((name): Property => ({
      name,
      value: compile(properties[name], placeIn(place, `properties.${name}`)),
      required: wanted.has(name),
    }));
    // A property may be required without being described.
    const undescribed = [...wanted].filter((name) => !Object.hasOwn(properties, name));
    const value = additionalProperties === undefined ? ANY_VALUE : (rest ?? NOTHING);
    return object([...named, ...undescribed.map((name) => ({ name, value, required: true }))], rest, budget);
  }

  function numeric(type: 'number' | 'integer', node: JsonObject, place: string): Expression {
    const minimum = tighter(bound(node, 'minimum', false, place), bound(node, 'exclusiveMinimum', true, place), 1);
    const maximum = tighter(bound(node, 'maximum', false, place), bound(node, 'exclusiveMaximum', true, place), -1);
    const multipleOf = number(node, 'multipleOf', place);
    if (type === 'number' && minimum === null && maximum === null && multipleOf === null) {
      return ANY_NUMBER;
    }
    return at(place, () =>
      texts(numberAutomaton({ integer: type === 'integer', minimum, maximum, multipleOf }, budget)),
    );
  }

  const whole = compile(schema, '');
  for (const finish of pending) {
    finish();
  }
  return whole;
}

const OF_TYPE: Partial<Record<string, Expression>> = {
  object: ANY_OBJECT,
  array: array(ANY_VALUE, 0, Infinity),
  string: ANY_STRING,
  number: ANY_NUMBER,
  integer: texts(
    numberAutomaton({ integer: true, minimum: null, maximum: null, multipleOf: null }, createWorkBudget()),
  ),
  boolean: BOOLEAN,
  null: NULL,
};

/** Whatever has the type that a schema names; anything where it names none, or several. */
function ofType(schema: unknown): Expression {
  const type = isJsonObject(schema) ? schema['type'] : undefined;
  return (typeof type === 'string' && Object.hasOwn(OF_TYPE, type) ? OF_TYPE[type] : undefined) ?? ANY_VALUE;
}

function counts(node: JsonObject, least: string, most: string, place: string): [min: number, max: number] {
  const [min, max] = [least, most].map((keyword) => {
    const count = number(node, keyword, place);
    if (count !== null && !(Number.isInteger(count) && count >= 0 && count <= SCHEMA_COUNT_MAX)) {
      throw new UnsupportedSchema(
        placeIn(place, keyword),
        `${count}; whole numbers up to ${SCHEMA_COUNT_MAX} are taken`,
      );
    }
    return count;
  });
  return [min ?? 0, max ?? Infinity];
}

function number(node: JsonObject, keyword: string, place: string): number | null {
  const value = node[keyword];
  if (value !== undefined && !(typeof value === 'number' && Number.isFinite(value))) {
    throw new UnsupportedSchema(placeIn(place, keyword), 'no number');
  }
  return typeof value === 'number' ? value : null;
}

function bound(node: JsonObject, keyword: string, exclusive: boolean, place: string): Bound | null {
  const value = number(node, keyword, place);
  return value === null ? null : { value, exclusive };
}

/** The stronger of two bounds; `sign` is 1 where higher is stronger. */
function tighter(inclusive: Bound | null, exclusive: Bound | null, sign: 1 | -1): Bound | null {
  if (inclusive === null || exclusive === null) {
    return inclusive ?? exclusive;
  }
  return sign * (exclusive.value - inclusive.value) >= 0 ? exclusive : inclusive;
}
