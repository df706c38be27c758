import { SCHEMA_DEPTH_MAX, SCHEMA_MAX_CHARS } from '../limits.ts';

/** A JSON object whose fields are not ours to name. */
export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * What is wrong with the size of a JSON schema, or null. Depth comes first: text is made of a value by recursion, which a
 * deep one would take beyond the stack.
 */
export function schemaFault(schema: JsonObject): string | null {
  if (isDeeper(schema, SCHEMA_DEPTH_MAX)) {
    return `nested deeper than ${SCHEMA_DEPTH_MAX} brackets`;
  }
  const { length } = JSON.stringify(schema);
  return length > SCHEMA_MAX_CHARS ? `${length} characters; at most ${SCHEMA_MAX_CHARS} are taken` : null;
}

/** Whether brackets stand within brackets more than `limit` deep; looks no deeper than that. */
export function isDeeper(value: unknown, limit: number): boolean {
  if (typeof value !== 'object' || value === null) {
    return false;
  }
  return limit === 0 || Object.values(value).some((inner) => isDeeper(inner, limit - 1));
}
