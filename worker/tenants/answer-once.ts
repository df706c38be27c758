import { REPLAY_MAX_BYTES, REQUEST_BODY_MAX_BYTES } from '../../src/core/limits.ts';
import { RequestError } from '../../src/core/protocol/failure.ts';
import { DONE } from '../../src/core/protocol/sse.ts';
import type { RequestContext } from '../request-context.ts';
import { idempotencyKeyOf, REPLAYED_HEADER } from './idempotency.ts';
import type { Tenant } from './identify-tenant.ts';
import { sha256Hex } from './new-key.ts';
import { unwrap } from './reply.ts';
import type { Tenancy } from './tenancy.ts';

export interface OnceOptions {
  tenancy: Tenancy;
  tenant: Tenant;
  context: RequestContext;
  /** What is asked, beside the body: method, path and query, form of the answer. */
  request: Request;
  newId: () => string;
}

/**
 * Answers a request once under its Idempotency-Key: a repetition gets the finished answer again, be it a stream, a 409
 * while it is being made, and another request under the same key is refused. Only a whole answer is kept: after an error,
 * or a client that left, the key is free again.
 */
export async function answerOnce(
  { tenancy, tenant, context, request, newId }: OnceOptions,
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
  const { pathname, search } = new URL(request.url);
  const form = [pathname, search, context.headers.get('content-type'), context.headers.get('accept')].join('\n');
  const hash = await sha256Hex(new TextEncoder().encode(`${form}\n${await sha256Hex(body)}`));
  const begun = unwrap(await tenant.stub.beginAnswer({ key, hash }, newId()));
  const place = `${tenant.id}/answers/${begun.name}`;
  if (begun.state === 'done') {
    return replay(await tenancy.data.get(place), context);
  }
  const end = async (kept: boolean): Promise<void> => tenant.stub.endAnswer(key, begun.name, kept);
  let response: Response;
  try {
    response = await answer();
  } catch (error) {
    await end(false);
    throw error;
  }
  const type = response.headers.get('content-type') ?? '';
  const keep = async (bytes: Uint8Array | null): Promise<void> => {
    const whole = bytes !== null && (!isStream(type) || endsWithDone(bytes));
    if (whole) {
      await tenancy.data.put(place, bytes, { httpMetadata: { contentType: type } });
    }
    await end(whole);
  };
  return new Response(
    collect(response.body, (bytes) => context.waitUntil(keep(bytes))),
    response,
  );
}

async function replay(kept: R2ObjectBody | null, { header, record }: RequestContext): Promise<Response> {
  if (kept === null) {
    throw new RequestError({ kind: 'no-such-resource', what: 'answer kept under this Idempotency-Key', id: 'expired' });
  }
  header(REPLAYED_HEADER, 'true');
  const bytes = await kept.arrayBuffer();
  record.close({ how: 'answered', status: 200 }, bytes.byteLength);
  const headers = {
    'content-type': kept.httpMetadata?.contentType ?? 'application/json',
    'content-length': String(bytes.byteLength),
  };
  return new Response(bytes, { headers });
}

/** Passes a body on as it is pulled, and tells at the end what it was; null when it did not come to its end. */
function collect(
  body: ReadableStream<Uint8Array> | null,
  tell: (bytes: Uint8Array | null) => void,
): ReadableStream<Uint8Array> | null {
  if (body === null) {
    tell(new Uint8Array());
    return null;
  }
  const reader = body.getReader();
  const pieces: Uint8Array[] = [];
  let length = 0;
  return new ReadableStream<Uint8Array>(
    {
      async pull(out) {
        try {
          const { done, value } = await reader.read();
          if (done) {
            tell(length > REPLAY_MAX_BYTES ? null : joined(pieces, length));
            out.close();
            return;
          }
          length += value.byteLength;
          if (length <= REPLAY_MAX_BYTES) {
            pieces.push(value);
          }
          out.enqueue(value);
        } catch (error) {
          tell(null);
          throw error;
        }
      },
      async cancel(reason) {
        tell(null);
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const piece of pieces) {
    whole.set(piece, offset);
    offset += piece.byteLength;
  }
  return whole;
}

function isStream(contentType: string): boolean {
  return contentType.startsWith('text/event-stream');
}

/** A stream that broke ends without it. */
function endsWithDone(bytes: Uint8Array): boolean {
  return new TextDecoder().decode(bytes.subarray(-DONE.length)) === DONE;
}
