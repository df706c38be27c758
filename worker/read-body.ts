import { countJsonMarks } from '../src/core/bytes/count-json-marks.ts';
import { REQUEST_JSON_MARKS_MAX } from '../src/core/limits.ts';
import { RequestError } from '../src/core/protocol/failure.ts';

/** HTTP frames a request by the length that it declares, so a small one is read in one go, in fewer turns of the event loop. */
const SMALL_BODY_BYTES = 64 * 1024;

/**
 * Reads a body of at most `limitBytes`; a longer one is refused as soon as that is known.
 *
 * Peak memory: the body once when it declares its length, else twice for a moment.
 *
 * @returns null when the body is longer.
 */
export async function readLimited(
  body: ReadableStream<Uint8Array> | null,
  declaredBytes: number | null,
  limitBytes: number,
): Promise<Uint8Array<ArrayBuffer> | null> {
  if (declaredBytes !== null && declaredBytes > limitBytes) {
    await body?.cancel();
    return null;
  }
  // A declared length is a hint about the size of the buffer, never a promise about the bytes.
  let bytes = new Uint8Array(declaredBytes ?? 64 * 1024);
  let length = 0;
  for await (const chunk of body ?? []) {
    const end = length + chunk.byteLength;
    if (end > limitBytes) {
      return null;
    }
    if (end > bytes.byteLength) {
      const grown = new Uint8Array(Math.min(limitBytes, Math.max(end, bytes.byteLength * 2)));
      grown.set(bytes.subarray(0, length));
      bytes = grown;
    }
    bytes.set(chunk, length);
    length = end;
  }
  return bytes.subarray(0, length);
}

/** `content-length` as a number, or null where it is absent or no number. */
export function declaredLength(headers: Headers): number | null {
  const text = headers.get('content-length') ?? '';
  return /^\d{1,15}$/.test(text) ? Number(text) : null;
}

/**
 * The body of a request.
 *
 * @throws RequestError `body-too-large`
 */
export async function readBytes(request: Request, limitBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const declaredBytes = declaredLength(request.headers);
  const isSmall = declaredBytes !== null && declaredBytes <= SMALL_BODY_BYTES;
  const bytes = isSmall
    ? new Uint8Array(await request.arrayBuffer())
    : await readLimited(request.body, declaredBytes, limitBytes);
  if (bytes === null || bytes.length > limitBytes) {
    throw new RequestError({ kind: 'body-too-large', limitBytes });
  }
  return bytes;
}

/**
 * A request body as JSON.
 *
 * @throws RequestError `invalid-request` for bytes that are not JSON in UTF-8, or JSON that would become far more memory
 *   than it has bytes.
 */
export function parseJson(bytes: Uint8Array): unknown {
  if (countJsonMarks(bytes) > REQUEST_JSON_MARKS_MAX) {
    const message = `The request body holds over ${REQUEST_JSON_MARKS_MAX} JSON values`;
    throw new RequestError({ kind: 'invalid-request', param: null, message });
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes));
  } catch (cause) {
    const message = 'The request body is not valid JSON in UTF-8';
    throw new RequestError({ kind: 'invalid-request', param: null, message }, { cause });
  }
}
