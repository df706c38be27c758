import { API_KEY_MAX_CHARS } from '../src/core/limits.ts';
import { RequestError } from '../src/core/protocol/failure.ts';
import { type ApiKeys, keyId } from './api-keys.ts';

/**
 * Lets a request pass whose bearer key is known; null lets everybody pass.
 *
 * Hashes are compared, in constant time and with every listed one: neither a key's length nor its first wrong character
 * nor which key it was shows in the timing, and the keys themselves are stored nowhere.
 *
 * @returns the key's name for logs.
 * @throws RequestError `unauthorized`
 */
export async function authorise(
  headers: Headers,
  keys: ApiKeys | null,
  unixSeconds: () => number,
): Promise<string | null> {
  if (keys === null) {
    return null;
  }
  const key = bearerKey(headers);
  const found = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(key));
  let name: string | null = null;
  for (const { id, sha256 } of keys.listed) {
    name = crypto.subtle.timingSafeEqual(found, sha256) ? id : name;
  }
  name ??= await nameOfStored(key, found, keys, unixSeconds);
  if (name === null) {
    throw new RequestError({ kind: 'unauthorized', message: 'The API key is not valid' });
  }
  return name;
}

/** @throws RequestError `unauthorized` */
export function bearerKey(headers: Headers): string {
  const key = /^bearer +(\S+)$/i.exec(headers.get('authorization') ?? '')?.[1];
  if (key === undefined || key.length > API_KEY_MAX_CHARS) {
    throw new RequestError({ kind: 'unauthorized', message: 'Send your API key as "Authorization: Bearer KEY"' });
  }
  return key;
}

async function nameOfStored(
  key: string,
  found: ArrayBuffer,
  { store }: ApiKeys,
  unixSeconds: () => number,
): Promise<string | null> {
  const id = keyId(key);
  const stored = id === null ? null : ((await store?.find(id)) ?? null);
  if (stored === null || !crypto.subtle.timingSafeEqual(found, stored.sha256)) {
    return null;
  }
  return stored.expires !== null && stored.expires <= unixSeconds() ? null : id;
}
