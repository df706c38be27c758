import type { z } from 'zod';
import { RequestError } from './failure.ts';

/**
 * What becomes of request fields that are not part of our schema. Three kinds, each told apart by name, because a field
 * that is dropped without a word gives an answer to another question than the one asked.
 */

/** Accounting, caching and tracing hints that many clients send; accepted anywhere, without effect on the answer. */
const WITHOUT_EFFECT = new Set([
  'user',
  'metadata',
  'store',
  'service_tier',
  'safety_identifier',
  'prompt_cache_key',
  'prompt_cache_options',
  'prompt_cache_retention',
  'prompt_cache_breakpoint',
  'cache_control',
  'include_obfuscation',
]);

/** Set by our servers only: each steers a cache, a template or the file system of an engine (vLLM's extra parameters). */
const SERVER_ONLY = new Set([
  'image_embeds',
  'prompt_embeds',
  'audio_embeds',
  'uuid',
  'cache_salt',
  'mm_processor_kwargs',
  'media_io_kwargs',
  'chat_template',
  'chat_template_kwargs',
  'priority',
  'documents',
]);

/** Real features of the API that this server lacks, each with the values that ask for nothing. */
const UNSUPPORTED = new Map<string, (value: unknown) => boolean>([
  ['best_of', equals(1)],
  ['functions', isEmptyList],
  ['function_call', equals('none', 'auto')],
  ['modalities', isTextOnly],
  ['repetition_penalty', equals(1)],
  ['min_p', equals(0)],
  ['min_tokens', equals(0)],
  ['ignore_eos', equals(false)],
  ['echo', equals(false)],
  ['annotations', isEmptyList],
  ['refusal', () => false],
  ['audio', () => false],
  ['prediction', () => false],
  ['reasoning_effort', equals('none')],
  ['verbosity', equals('medium')],
  ['web_search_options', () => false],
  ['name', () => false],
  // A video's frames are one a second.
  ['fps', equals(1)],
  ['moderation', () => false],
]);

/** Values of a `type` that OpenAI knows and this server does not take where it stands. */
const UNSUPPORTED_TYPES = new Set(['input_audio', 'file', 'refusal', 'custom', 'allowed_tools', 'grammar', 'python']);

/** A copy of an object without the fields that ask for nothing; anything else as it is. */
export function dropNeutralFields(value: unknown): unknown {
  if (!isObject(value) || Array.isArray(value)) {
    return value;
  }
  return Object.fromEntries(Object.entries(value).filter(([name, field]) => !isNeutral(name, field)));
}

function isNeutral(name: string, value: unknown): boolean {
  return value === null || WITHOUT_EFFECT.has(name) || (UNSUPPORTED.get(name)?.(value) ?? false);
}

/** The first fault of a parse as a failure whose `param` is its path and whose message says which kind of field it is. */
export function invalidRequest(body: unknown, error: z.ZodError): RequestError {
  const issue = error.issues[0];
  if (issue === undefined) {
    return new RequestError({ kind: 'invalid-request', param: null, message: 'The request is not valid' });
  }
  if (issue.code === 'unrecognized_keys') {
    const field = issue.keys[0] ?? '';
    const fault = describeField(field);
    return refused([...issue.path, field], fault.message, fault.code);
  }
  if (issue.code === 'invalid_union') {
    const fault = describeType(valueAt(body, issue.path));
    return refused(issue.path, fault?.message ?? issue.message, fault?.code);
  }
  return refused(issue.path, issue.message);
}

/** A refusal with its field renamed, for a client whose request was turned into another; other errors as they are. */
export function inTermsOf(fieldName: (field: string) => string, error: unknown): unknown {
  if (!(error instanceof RequestError)) {
    return error;
  }
  const { failure, cause } = error;
  if (!('param' in failure) || failure.param === null) {
    return error;
  }
  const param = fieldName(failure.param);
  const message = failure.message.replace(`${failure.param}: `, () => `${param}: `);
  return new RequestError({ ...failure, param, message }, { cause });
}

const UNKNOWN = { message: 'Unknown field', code: 'unknown_parameter' };

function describeField(name: string): { message: string; code: string } {
  if (SERVER_ONLY.has(name)) {
    return { message: `'${name}' can be set by the server only`, code: 'server_only_parameter' };
  }
  if (UNSUPPORTED.has(name)) {
    return { message: `'${name}' is not supported by this server`, code: 'unsupported_parameter' };
  }
  return UNKNOWN;
}

/** A choice among types that found none: null when it was not about a type. */
function describeType(found: unknown): { message: string; code: string } | null {
  const type = isObject(found) ? Reflect.get(found, 'type') : found;
  if (typeof type !== 'string') {
    return null;
  }
  if (UNSUPPORTED_TYPES.has(type)) {
    return { message: `'${type}' is not supported by this server`, code: 'unsupported_parameter' };
  }
  const fault = describeField(type);
  return fault === UNKNOWN ? { message: `'${clip(type)}' is not known here`, code: UNKNOWN.code } : fault;
}

function refused(path: PropertyKey[], message: string, code?: string): RequestError {
  const param = path.length === 0 ? null : pathText(path);
  return new RequestError({
    kind: 'invalid-request',
    param,
    message: param === null ? message : `${param}: ${message}`,
    ...(code === undefined ? {} : { code }),
  });
}

function pathText(path: PropertyKey[]): string {
  return path.reduce<string>(
    (text, key) =>
      typeof key === 'number' ? `${text}[${key}]` : `${text}${text === '' ? '' : '.'}${clip(String(key))}`,
    '',
  );
}

/** Field names come from the client; one of a megabyte is not echoed. */
function clip(name: string): string {
  return name.length > 64 ? `${name.slice(0, 64)}…` : name;
}

function valueAt(body: unknown, path: PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (isObject(value) ? Reflect.get(value, key) : undefined), body);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function equals(...neutral: (string | number | boolean)[]): (value: unknown) => boolean {
  return (value) => neutral.some((entry) => entry === value);
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function isTextOnly(value: unknown): boolean {
  return Array.isArray(value) && value.length === 1 && value[0] === 'text';
}
