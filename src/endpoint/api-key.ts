import { createHash, timingSafeEqual } from 'node:crypto';
import { RequestError } from '../core/protocol/failure.ts';

/**
 * Compares a request's bearer token with the key, in a time that tells nothing about either: hashes have equal lengths.
 *
 * @throws RequestError `unauthorized`.
 */
export function requireApiKey(request: Request, apiKey: string): void {
  const token = /^Bearer +(\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1] ?? '';
  if (!timingSafeEqual(sha256(token), sha256(apiKey))) {
    throw new RequestError({
      kind: 'unauthorized',
      message: token === '' ? 'Send the API key as "Authorization: Bearer …"' : 'The API key is not valid',
    });
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
