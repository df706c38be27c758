import { countJsonMarks } from '../src/core/bytes/count-json-marks.ts';
import { REQUEST_JSON_MARKS_MAX } from '../src/core/limits.ts';
import { RequestError } from '../src/core/protocol/failure.ts';
import { freeMemory } from './free-memory.ts';

/** HTTP frames a request by the length that it declares, so a small one is read in one go, in fewer turns of the event loop. */
export const SMALL_BODY_BYTES = 64 * 1024;
/** Stands for a length that is not known until all is read: a photo. */
const UNDECLARED_BODY_BYTES = 4 * 1024 * 1024;
const STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });
/** For a body that does not say how long it is. */
const FIRST_BUFFER_BYTES = 64 * 1024;

/**
 * Reads a body of at most `limitBytes`; a longer one is refused as soon as that is known.
 *
 * Peak memory: the body once when it declares its length, else twice for a moment. Streams of the network write into that
 * memory themselves: a buffer for every chunk would be as much garbage again.
 *
 * @returns null when the body is longer.
 */
export async function readLimited(
  body: ReadableStream<Uint8Array<ArrayBuffer>> | null,
  declaredBytes: number | null,
  limitBytes: number,
): Promise<Uint8Array<ArrayBuffer> | null> {
  if (declaredBytes !== null && declaredBytes > limitBytes) {
    await body?.cancel();
    return null;
  }
  if (body === null) {
    return new Uint8Array(0);
  }
  // A declared length is a hint about the size of the buffer, never a promise about the bytes. One more shows their end.
  let buffer = new ArrayBuffer((declaredBytes ?? FIRST_BUFFER_BYTES) + 1);
  let length = 0;
  const reader = byteReader(body);
  for (;;) {
    const { value, done } = await reader.read(new Uint8Array(buffer, length));
    if (value === undefined) {
      throw new TypeError('a stream kept the memory that it was to fill');
    }
    buffer = value.buffer;
    if (done) {
      return new Uint8Array(buffer, 0, length);
    }
    length += value.byteLength;
    if (length > limitBytes) {
      await reader.cancel();
      return null;
    }
    if (length === buffer.byteLength) {
      buffer = buffer.transfer(Math.min(limitBytes + 1, length * 2));
    }
  }
}

/** Streams of the network are streams of bytes; one that scripts made is turned into one. */
function byteReader(body: ReadableStream<Uint8Array<ArrayBuffer>>): ReadableStreamBYOBReader {
  try {
    return body.getReader({ mode: 'byob' });
  } catch {
    return body.pipeThrough(new IdentityTransformStream()).getReader({ mode: 'byob' });
  }
}

/**
 * Bytes of memory that a body waits for before it is read: none where it is small.
 *
 * @param declaredBytes null where it does not say how long it is.
 */
export function roomFor(declaredBytes: number | null, limitBytes: number): number {
  const bytes = Math.min(declaredBytes ?? UNDECLARED_BODY_BYTES, limitBytes);
  return bytes <= SMALL_BODY_BYTES ? 0 : bytes;
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
 * A request body as JSON. The bytes are gone when it returns: several megabytes of an image need not wait for a
 * collection of garbage beside the text that was made of them.
 *
 * @throws RequestError `invalid-request` for bytes that are not JSON in UTF-8, or JSON that would become far more memory
 *   than it has bytes.
 */
export function consumeJson(bytes: Uint8Array<ArrayBuffer>): unknown {
  const text = readText(bytes);
  freeMemory(bytes);
  return orInvalidJson(() => JSON.parse(text));
}

/** The same of bytes that somebody else holds too. */
export function parseJson(bytes: Uint8Array): unknown {
  const text = readText(bytes);
  return orInvalidJson(() => JSON.parse(text));
}

function readText(bytes: Uint8Array): string {
  if (countJsonMarks(bytes) > REQUEST_JSON_MARKS_MAX) {
    const message = `The request body holds over ${REQUEST_JSON_MARKS_MAX} JSON values`;
    throw new RequestError({ kind: 'invalid-request', param: null, message });
  }
  return orInvalidJson(() => STRICT_UTF8.decode(bytes));
}

function orInvalidJson<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (cause) {
    const message = 'The request body is not valid JSON in UTF-8';
    throw new RequestError({ kind: 'invalid-request', param: null, message }, { cause });
  }
}
