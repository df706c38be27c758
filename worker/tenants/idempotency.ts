import { IDEMPOTENCY_KEY_MAX_CHARS } from '../../src/core/limits.ts';
import { RequestError } from '../../src/core/protocol/failure.ts';

export const IDEMPOTENCY_HEADER = 'idempotency-key';
/** Says that an answer was given before. */
export const REPLAYED_HEADER = 'idempotency-replayed';

/**
 * The request's idempotency key, or null where it has none.
 *
 * @throws RequestError `invalid-request`
 */
export function idempotencyKeyOf(headers: Headers): string | null {
  const key = headers.get(IDEMPOTENCY_HEADER);
  if (key !== null && (key.length > IDEMPOTENCY_KEY_MAX_CHARS || !/^[\x21-\x7e]+$/.test(key))) {
    const message = `Idempotency-Key: expected 1 to ${IDEMPOTENCY_KEY_MAX_CHARS} visible ASCII characters`;
    throw new RequestError({ kind: 'invalid-request', param: IDEMPOTENCY_HEADER, message });
  }
  return key;
}
