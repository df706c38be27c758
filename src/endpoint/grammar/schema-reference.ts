import type { JsonObject } from '../../core/protocol/json-object.ts';
import { UnsupportedSchema } from './unsupported-schema.ts';

/**
 * What a `$ref` within a schema means: a JSON pointer as a URI fragment.
 *
 * @param place where the reference stands.
 * @throws UnsupportedSchema for a reference out of the schema, or to nothing.
 */
export function resolveReference(root: JsonObject, pointer: string, place: string): unknown {
  if (pointer !== '#' && !pointer.startsWith('#/')) {
    throw new UnsupportedSchema(place, `the reference ${JSON.stringify(pointer)}; expected one within the schema, #/…`);
  }
  let target: unknown = root;
  for (const step of pointer.split('/').slice(1)) {
    // RFC 6901, and the percent signs of a URI fragment.
    const name = decode(step).replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof target !== 'object' || target === null || !Object.hasOwn(target, name)) {
      throw new UnsupportedSchema(place, `the reference ${JSON.stringify(pointer)}, which leads nowhere`);
    }
    target = Reflect.get(target, name);
  }
  return target;
}

function decode(step: string): string {
  try {
    return decodeURIComponent(step);
  } catch {
    return step;
  }
}
