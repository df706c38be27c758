import { RequestError } from '../src/core/protocol/failure.ts';

/**
 * Lets a request pass whose bearer key has the given SHA-256; null lets everybody pass.
 *
 * Hashes are compared, in constant time: neither the key's length nor its first wrong character shows in the timing, and
 * the key itself is stored nowhere.
 *
 * @throws RequestError `unauthorized`
 */
export async function authorise(headers: Headers, keySha256: Uint8Array<ArrayBuffer> | null): Promise<void> {
  if (keySha256 === null) {
    return;
  }
  const key = /^bearer +(\S+)$/i.exec(headers.get('authorization') ?? '')?.[1];
  if (key === undefined) {
    throw new RequestError({ kind: 'unauthorized', message: 'Send your API key as "Authorization: Bearer KEY"' });
  }
  const found = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(key));
  if (!crypto.subtle.timingSafeEqual(found, keySha256)) {
    throw new RequestError({ kind: 'unauthorized', message: 'The API key is not valid' });
  }
}
