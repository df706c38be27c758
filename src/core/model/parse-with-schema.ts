import type { z } from 'zod';
import { MalformedFile } from '../bytes/malformed-file.ts';

/**
 * Checks a JSON file's value; the error names the file and the first field at fault.
 *
 * @throws MalformedFile
 */
export function parseWithSchema<T>(schema: z.ZodType<T>, file: string, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) {
    return result.data;
  }
  const [issue] = result.error.issues;
  const path = issue?.path ?? [];
  const place = path.length === 0 ? 'top level' : path.map(String).join('.');
  throw new MalformedFile(file, place, describe(valueAt(value, path)), expectation(issue?.message ?? ''));
}

/** zod says `Too small: expected number to be >0, received -1`; our message has its own place for what was found. */
function expectation(message: string): string {
  return message.replace(/^.*?expected /, '').replace(/, received .*$/, '') || 'another value';
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, key) => (typeof inner === 'object' && inner !== null ? Reflect.get(inner, key) : undefined),
    value,
  );
}

function describe(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
