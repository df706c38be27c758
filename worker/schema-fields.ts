import type { JsonSchema } from './openapi.ts';

/** One field of a body, for a reader. */
export interface FieldRow {
  /** From the body's root, e.g. `messages[].content[].text`. */
  path: string;
  type: string;
  required: boolean;
  description: string;
}

/** Fields of fields are listed down to `messages[].content[].image_url.url`. */
const DEPTH_MAX = 6;

/** All fields of a schema in one list; those of alternatives are listed once, in the order in which they first appear. */
export function fieldRows(schema: JsonSchema, schemas: Record<string, JsonSchema>): FieldRow[] {
  const rows = new Map<string, FieldRow>();
  collect(schema, '', 0);
  return [...rows.values()];

  function collect(node: JsonSchema, path: string, depth: number): void {
    const { properties = {}, required = [], items } = resolve(node, schemas);
    for (const alternative of alternativesOf(resolve(node, schemas))) {
      collect(alternative, path, depth);
    }
    if (isSchema(items) && depth < DEPTH_MAX) {
      collect(items, `${path}[]`, depth + 1);
    }
    for (const [name, field] of Object.entries(properties)) {
      if (!isSchema(field)) {
        continue;
      }
      const at = path === '' ? name : `${path}.${name}`;
      const known = rows.get(at);
      const type = typeText(field, schemas);
      const types =
        known === undefined || known.type.split(', ').includes(type) ? [known?.type ?? type] : [known.type, type];
      rows.set(at, {
        path: at,
        type: types.join(', '),
        required: (known?.required ?? true) && required.includes(name) && field.default === undefined,
        description: known?.description ?? field.description ?? '',
      });
      if (depth < DEPTH_MAX) {
        collect(field, at, depth + 1);
      }
    }
  }
}

function typeText(node: JsonSchema, schemas: Record<string, JsonSchema>): string {
  const schema = resolve(node, schemas);
  const alternatives = alternativesOf(schema);
  if (alternatives.length > 0) {
    return [...new Set(alternatives.map((alternative) => typeText(alternative, schemas)))].join(' or ');
  }
  if (schema.const !== undefined) {
    return JSON.stringify(schema.const);
  }
  if (schema.enum !== undefined) {
    return schema.enum.map((value) => JSON.stringify(value)).join(' or ');
  }
  if (schema.type === 'array') {
    return isSchema(schema.items) ? `list of ${typeText(schema.items, schemas)}` : 'empty list';
  }
  return typeof schema.type === 'string' ? schema.type : 'anything';
}

function alternativesOf({ anyOf = [], oneOf = [] }: JsonSchema): JsonSchema[] {
  return [...anyOf, ...oneOf].filter(isSchema);
}

function resolve(node: JsonSchema, schemas: Record<string, JsonSchema>): JsonSchema {
  const name = node.$ref?.replace('#/components/schemas/', '');
  return name === undefined ? node : (schemas[name] ?? {});
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
