import { UPSTREAM_ERROR_MAX_BYTES } from '../src/core/limits.ts';
import { RequestError, type Failure } from '../src/core/protocol/failure.ts';
import { type ErrorWords, readErrorObject } from '../src/core/upstream/error-object.ts';
import { readRetryAfter } from '../src/core/upstream/retry-after.ts';
import type { Deps } from './deps.ts';
import { readLimited } from './read-body.ts';
import type { UpstreamBody } from './upstream-body.ts';
import type { Upstream } from './upstream-config.ts';
import { VISION_HEADER } from './vision-header.ts';
import { writePieces } from './write-pieces.ts';

export interface UpstreamCall {
  upstream: Pick<Upstream, 'url' | 'apiKey'>;
  body: UpstreamBody;
  visionSha256: string | null;
  requestId: string;
  signal: AbortSignal;
  /** The last piece of a body that is written while it is sent has gone out. */
  onSent?: () => void;
}

/**
 * Posts a chat request and returns its event stream.
 *
 * @throws RequestError: what upstream says about the client's own request is passed on (`invalid-request`); every other
 *   answer is upstream's fault or ours (`overloaded`, `upstream-rejected`, `upstream-unreachable`, `upstream-broke`).
 */
export async function callUpstream(
  { fetch, unixSeconds }: Pick<Deps, 'fetch' | 'unixSeconds'>,
  { upstream, body, visionSha256, requestId, signal, onSent = () => undefined }: UpstreamCall,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const headers = {
    'content-type': 'application/json',
    accept: 'text/event-stream',
    'x-request-id': requestId,
    ...(upstream.apiKey === null ? {} : { authorization: `Bearer ${upstream.apiKey}` }),
    ...(visionSha256 === null ? {} : { [VISION_HEADER]: visionSha256 }),
  };
  const response = await send(fetch, `${upstream.url}/v1/chat/completions`, { headers, body, signal, onSent });
  if (response.status !== 200) {
    throw new RequestError(await readRejection(response, unixSeconds()));
  }
  if (response.body === null || !/^text\/event-stream\b/i.test(response.headers.get('content-type') ?? '')) {
    await response.body?.cancel();
    throw new RequestError({ kind: 'upstream-broke', message: 'The model server did not answer with an event stream' });
  }
  return response.body;
}

async function send(
  fetch: Deps['fetch'],
  url: string,
  {
    headers,
    body,
    signal,
    onSent,
  }: { headers: Record<string, string> } & Pick<Required<UpstreamCall>, 'body' | 'signal' | 'onSent'>,
): Promise<Response> {
  try {
    const payload = body.whole ?? written(body, signal, onSent);
    return await fetch(url, { method: 'POST', headers, body: payload, signal, redirect: 'manual' });
  } catch (cause) {
    const message = 'The model server cannot be reached';
    throw new RequestError({ kind: 'upstream-unreachable', message }, { cause });
  }
}

/** With a known length a body is sent as it is made, without chunked encoding, which some servers refuse. */
function written(body: UpstreamBody, signal: AbortSignal, onSent: () => void): ReadableStream {
  const { readable, writable } = new FixedLengthStream(body.byteLength);
  const writer = writable.getWriter();
  const abort = (): void => void writer.abort(signal.reason).catch(() => undefined);
  signal.addEventListener('abort', abort, { once: true });
  // A failed send shows as a failed fetch.
  void writePieces(body.pieces(), writer)
    .then(onSent)
    .catch(() => undefined)
    .finally(() => signal.removeEventListener('abort', abort));
  return readable;
}

async function readRejection(response: Response, unixSeconds: number): Promise<Failure> {
  const { status } = response;
  const error = await readError(response);
  const said = error === null ? {} : { said: error.message };
  const retryAfterSeconds = readRetryAfter(response.headers, unixSeconds);
  // A 503 that does not say when to come back is as likely a balancer without servers.
  if (status === 429 || (status === 503 && retryAfterSeconds !== null)) {
    return { kind: 'overloaded', retryAfterSeconds: Math.ceil(retryAfterSeconds ?? 1) };
  }
  if ((status === 400 || status === 413 || status === 422) && error !== null) {
    return {
      kind: 'invalid-request',
      param: error.param,
      message: 'The model server refused the request',
      ...said,
      ...(error.code === null ? {} : { code: error.code }),
    };
  }
  return { kind: 'upstream-rejected', status, message: `The model server answered ${status}`, ...said };
}

async function readError(response: Response): Promise<ErrorWords | null> {
  try {
    const bytes = await readLimited(response.body, null, UPSTREAM_ERROR_MAX_BYTES);
    return readErrorObject(JSON.parse(new TextDecoder().decode(bytes ?? new Uint8Array(0))));
  } catch {
    return null;
  }
}
