import type { JsonObject } from '../../core/protocol/json-object.ts';
import { placeIn, UnsupportedSchema } from './unsupported-schema.ts';

export const SCHEMA_TYPES = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'] as const;

export type SchemaType = (typeof SCHEMA_TYPES)[number];

/** What a schema says, by the keyword that decides. */
export type SchemaKeywords =
  | { kind: 'reference'; pointer: string }
  | { kind: 'values'; values: readonly unknown[] }
  | { kind: 'alternatives'; keyword: 'anyOf' | 'allOf'; schemas: readonly unknown[] }
  | { kind: 'types'; types: readonly SchemaType[] }
  | { kind: 'anything' };

/** Words about a schema that allow and forbid nothing. */
const ANNOTATIONS = new Set([
  '$schema',
  '$id',
  '$comment',
  '$defs',
  'definitions',
  'title',
  'description',
  'default',
  'example',
  'examples',
  'deprecated',
  'readOnly',
  'writeOnly',
]);

/** Keywords of each type; where no type is given they say which are meant. */
const BY_TYPE: Record<SchemaType, readonly string[]> = {
  object: ['properties', 'required', 'additionalProperties'],
  array: ['items', 'minItems', 'maxItems'],
  string: ['minLength', 'maxLength', 'pattern', 'format'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
  integer: [],
  boolean: [],
  null: [],
};
const ASSERTIONS = new Set(Object.values(BY_TYPE).flat());

/**
 * Reads the keywords of one schema.
 *
 * @param place where it stands, for errors.
 * @throws UnsupportedSchema naming the first keyword that is not known here, or not beside the one that decides.
 */
export function schemaKeywords(schema: JsonObject, place: string): SchemaKeywords {
  const keywords = Object.keys(schema).filter((keyword) => !ANNOTATIONS.has(keyword) && !keyword.startsWith('x-'));
  const refuse = (keyword: string, found: string): UnsupportedSchema =>
    new UnsupportedSchema(placeIn(place, keyword), found);
  const only = (...allowed: string[]): void => {
    const other = keywords.find((keyword) => !allowed.includes(keyword));
    if (other !== undefined) {
      throw refuse(other, `the keyword '${other}' beside '${allowed[0]}'`);
    }
  };

  const unknown = keywords.find((keyword) => !DECIDING.includes(keyword) && !ASSERTIONS.has(keyword));
  if (unknown !== undefined) {
    throw refuse(unknown, `the keyword '${unknown}', which cannot be enforced`);
  }
  if (Object.hasOwn(schema, '$ref')) {
    only('$ref');
    if (typeof schema['$ref'] !== 'string') {
      throw refuse('$ref', 'no reference');
    }
    return { kind: 'reference', pointer: schema['$ref'] };
  }
  const types = readTypes(schema['type'], refuse);
  if (Object.hasOwn(schema, 'enum') || Object.hasOwn(schema, 'const')) {
    only('enum', 'const', 'type');
    return {
      kind: 'values',
      values: readValues(schema, refuse).filter((value) => types === null || hasType(value, types)),
    };
  }
  for (const keyword of ['anyOf', 'allOf'] as const) {
    const schemas = schema[keyword];
    if (schemas !== undefined) {
      only(keyword);
      if (!Array.isArray(schemas) || schemas.length === 0) {
        throw refuse(keyword, 'no list of schemas');
      }
      if (keyword === 'allOf' && schemas.length > 1) {
        throw refuse(keyword, 'several schemas at once, which cannot be enforced');
      }
      return { kind: 'alternatives', keyword, schemas };
    }
  }
  const meant = SCHEMA_TYPES.filter((type) => BY_TYPE[type].some((keyword) => Object.hasOwn(schema, keyword)));
  if (types === null && meant.length === 0) {
    return { kind: 'anything' };
  }
  return { kind: 'types', types: types ?? meant };
}

const DECIDING = ['$ref', 'enum', 'const', 'type', 'anyOf', 'allOf'];

type Refuse = (keyword: string, found: string) => UnsupportedSchema;

function readTypes(type: unknown, refuse: Refuse): readonly SchemaType[] | null {
  if (type === undefined) {
    return null;
  }
  const list: unknown[] = Array.isArray(type) ? type : [type];
  const types = SCHEMA_TYPES.filter((known) => list.includes(known));
  if (types.length === 0 || types.length !== new Set(list).size) {
    throw refuse('type', `the type ${JSON.stringify(type)}`);
  }
  return types;
}

function readValues(schema: JsonObject, refuse: Refuse): readonly unknown[] {
  const values = schema['enum'];
  if (values !== undefined && !Array.isArray(values)) {
    throw refuse('enum', 'no list of values');
  }
  if (!Object.hasOwn(schema, 'const')) {
    return values ?? [];
  }
  const only = JSON.stringify(schema['const']);
  return values === undefined || values.some((value) => JSON.stringify(value) === only) ? [schema['const']] : [];
}

function hasType(value: unknown, types: readonly SchemaType[]): boolean {
  if (value === null || Array.isArray(value)) {
    return types.includes(value === null ? 'null' : 'array');
  }
  const type = typeof value;
  return type === 'number'
    ? types.includes('number') || (types.includes('integer') && Number.isInteger(value))
    : types.some((known) => known === type);
}
