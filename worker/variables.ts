import * as z from 'zod';
import { RequestError } from '../src/core/protocol/failure.ts';

/**
 * Variables, secrets and bindings that a schema asks for.
 *
 * @throws RequestError `misconfigured` that names each variable at fault, and the field in it.
 */
export function readVariables<Schema extends z.ZodType>(schema: Schema, env: object): z.output<Schema> {
  const parsed = schema.safeParse(env);
  if (!parsed.success) {
    throw misconfigured(parsed.error.issues.map((issue) => `${pathText(issue.path)}: ${issue.message}`).join('; '));
  }
  return parsed.data;
}

export function misconfigured(faults: string): RequestError {
  return new RequestError({ kind: 'misconfigured', message: `Worker configuration: ${faults}` });
}

/** Whether a variable holds anything; an empty text or list is how wrangler.toml leaves one out. */
export function isSet(env: object, name: string): boolean {
  const value: unknown = Reflect.get(env, name);
  return value !== undefined && value !== '' && !(Array.isArray(value) && value.length === 0);
}

/** A number: wrangler.toml has numbers, `--var` and the dashboard have text. */
export function numberVariable<Schema extends z.ZodType>(schema: Schema) {
  return z.preprocess((value) => {
    if (typeof value !== 'string') {
      return value;
    }
    return value.trim() === '' ? undefined : Number(value);
  }, schema);
}

/** A list or object, as TOML or as JSON text. */
export function jsonVariable<Schema extends z.ZodType>(schema: Schema) {
  return z.preprocess((value, context) => {
    if (typeof value !== 'string') {
      return value;
    }
    if (value.trim() === '') {
      return undefined;
    }
    try {
      return JSON.parse(value);
    } catch {
      context.addIssue({ code: 'custom', message: 'expected JSON' });
      return z.NEVER;
    }
  }, schema);
}

function pathText(path: PropertyKey[]): string {
  return path.map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i === 0 ? '' : '.'}${String(key)}`)).join('');
}
