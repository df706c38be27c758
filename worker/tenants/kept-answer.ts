import { REPLAY_MAX_BYTES } from '../../src/core/limits.ts';
import { DONE } from '../../src/core/protocol/sse.ts';
import type { RequestContext } from '../request-context.ts';
import type { Tenant } from './identify-tenant.ts';
import type { Tenancy } from './tenancy.ts';

/** Where an answer is kept: under a name of ours, registered for a key at the tenant's object. */
export interface AnswerPlace {
  tenancy: Pick<Tenancy, 'data'>;
  tenant: Tenant;
  key: string;
  name: string;
}

/** The answer as it was given, or null when it is gone. */
export async function readKept(
  { tenancy, tenant, name }: AnswerPlace,
  record: RequestContext['record'],
): Promise<Response | null> {
  const kept = await tenancy.data.get(objectKey(tenant.id, name));
  if (kept === null) {
    return null;
  }
  const bytes = await kept.arrayBuffer();
  record.close({ how: 'answered', status: 200 }, bytes.byteLength);
  const headers = {
    'content-type': kept.httpMetadata?.contentType ?? 'application/json',
    'content-length': String(bytes.byteLength),
  };
  return new Response(bytes, { headers });
}

/**
 * Makes an answer and keeps it when it is whole, while the client reads it. After an error, or a client that left, the key
 * is free again.
 */
export async function makeKept(
  { tenancy, tenant, key, name }: AnswerPlace,
  waitUntil: RequestContext['waitUntil'],
  answer: () => Promise<Response>,
): Promise<Response> {
  const end = async (kept: boolean): Promise<void> => tenant.stub.endAnswer(key, name, kept);
  let response: Response;
  try {
    response = await answer();
  } catch (error) {
    await end(false);
    throw error;
  }
  const type = response.headers.get('content-type') ?? '';
  const keep = async (bytes: Uint8Array | null): Promise<void> => {
    const whole = bytes !== null && (!type.startsWith('text/event-stream') || endsWithDone(bytes));
    if (whole) {
      await tenancy.data.put(objectKey(tenant.id, name), bytes, { httpMetadata: { contentType: type } });
    }
    await end(whole);
  };
  return new Response(
    collect(response.body, (bytes) => waitUntil(keep(bytes))),
    response,
  );
}

function objectKey(tenant: string, name: string): string {
  return `${tenant}/answers/${name}`;
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

/** A stream that broke ends without it. */
function endsWithDone(bytes: Uint8Array): boolean {
  return new TextDecoder().decode(bytes.subarray(-DONE.length)) === DONE;
}
