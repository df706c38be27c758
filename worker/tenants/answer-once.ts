import { REQUEST_BODY_MAX_BYTES } from '../../src/core/limits.ts';
import { RequestError } from '../../src/core/protocol/failure.ts';
import type { RequestContext } from '../request-context.ts';
import { idempotencyKeyOf, REPLAYED_HEADER } from './idempotency.ts';
import type { Tenant } from './identify-tenant.ts';
import { makeKept, readKept } from './kept-answer.ts';
import { sha256Hex } from './new-key.ts';
import { unwrap } from './reply.ts';
import type { Tenancy } from './tenancy.ts';

export interface OnceOptions {
  tenancy: Tenancy;
  tenant: Tenant;
  context: RequestContext;
  newId: () => string;
}

/**
 * Answers a request once under its Idempotency-Key: a repetition gets the finished answer again, be it a stream, a 409
 * while it is being made, and another request under the same key is refused. Only a whole answer is kept: after an error,
 * or a client that left, the key is free again.
 */
export async function answerOnce(
  { tenancy, tenant, context, newId }: OnceOptions,
  answer: () => Promise<Response>,
): Promise<Response> {
  const key = idempotencyKeyOf(context.headers);
  if (key === null) {
    return answer();
  }
  const body = await context.receive(REQUEST_BODY_MAX_BYTES);
  context.receive = async (limitBytes) => {
    if (body.byteLength > limitBytes) {
      throw new RequestError({ kind: 'body-too-large', limitBytes });
    }
    return body;
  };
  const form = `${context.asks}\n${context.headers.get('content-type')}`;
  const hash = await sha256Hex(new TextEncoder().encode(`${form}\n${await sha256Hex(body)}`));
  const begun = unwrap(await tenant.stub.beginAnswer({ key, hash }, newId()));
  const place = { tenancy, tenant, key, name: begun.name };
  if (begun.state === 'new') {
    return makeKept(place, context.waitUntil, answer);
  }
  const kept = await readKept(place, context.record);
  if (kept === null) {
    throw new RequestError({ kind: 'no-such-resource', what: 'answer kept under the key', id: key });
  }
  context.header(REPLAYED_HEADER, 'true');
  return kept;
}
