import { MULTIPART_HEADER_MAX_BYTES, MULTIPART_PARTS_MAX } from '../limits.ts';
import { RequestError } from './failure.ts';

/** A field of a form; a file is told from text by its file name. */
export interface FormPart {
  name: string;
  filename: string | null;
  /** A view into the form's bytes. */
  data: Uint8Array<ArrayBuffer>;
}

const CRLF = '\r\n';

/**
 * Reads multipart/form-data (RFC 7578 over RFC 2046 §5.1) in place.
 *
 * Not the platform's `formData()`: that copies every file twice and sets no bound on the number of parts.
 *
 * @param contentType the header with its `boundary`.
 * @throws RequestError `invalid-request` for bytes that are no such form.
 */
export function parseMultipart(bytes: Uint8Array<ArrayBuffer>, contentType: string): FormPart[] {
  const delimiter = latin1(`${CRLF}--${boundaryOf(contentType)}`);
  const parts: FormPart[] = [];
  let at = afterFirst(bytes, delimiter);
  while (!startsWith(bytes, latin1('--'), at)) {
    if (parts.length === MULTIPART_PARTS_MAX) {
      throw malformed(`has over ${MULTIPART_PARTS_MAX} parts`);
    }
    const start = afterPadding(bytes, at);
    const end = find(bytes, delimiter, start);
    if (end < 0) {
      throw malformed('is cut off before its last boundary');
    }
    parts.push(readPart(bytes.subarray(start, end)));
    at = end + delimiter.length;
  }
  return parts;
}

/** The first boundary may stand at the very start, without the line break that belongs to the others. */
function afterFirst(bytes: Uint8Array, delimiter: Uint8Array): number {
  const bare = delimiter.subarray(CRLF.length);
  if (startsWith(bytes, bare, 0)) {
    return bare.length;
  }
  const found = find(bytes, delimiter, 0);
  if (found < 0) {
    throw malformed('holds no boundary');
  }
  return found + delimiter.length;
}

function boundaryOf(contentType: string): string {
  const [, quoted, plain] = /;\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s;"]{1,70}))\s*(?:;|$)/i.exec(contentType) ?? [];
  const boundary = quoted ?? plain;
  if (boundary === undefined) {
    throw malformed('names no boundary in its content-type');
  }
  return boundary;
}

/** RFC 2046 lets white space stand between a boundary and the end of its line. */
function afterPadding(bytes: Uint8Array, at: number): number {
  let end = at;
  while (bytes[end] === 0x20 || bytes[end] === 0x09) {
    end += 1;
  }
  if (!startsWith(bytes, latin1(CRLF), end)) {
    throw malformed('has a boundary that does not end its line');
  }
  return end + CRLF.length;
}

function readPart(part: Uint8Array<ArrayBuffer>): FormPart {
  const blank = latin1(CRLF + CRLF);
  const head = find(part.subarray(0, MULTIPART_HEADER_MAX_BYTES), blank, 0);
  if (head < 0) {
    throw malformed(`has a part without a header of at most ${MULTIPART_HEADER_MAX_BYTES} bytes`);
  }
  const headers = new TextDecoder().decode(part.subarray(0, head));
  const disposition = /^content-disposition:\s*form-data\s*(;.*)$/im.exec(headers)?.[1] ?? '';
  const name = parameter(disposition, 'name');
  if (name === null) {
    throw malformed('has a part without a name');
  }
  const encoding = /^content-transfer-encoding:\s*(\S+)/im.exec(headers)?.[1] ?? 'binary';
  if (!/^(binary|8bit|7bit)$/i.test(encoding)) {
    throw malformed('has a part in a transfer encoding, which RFC 7578 dropped');
  }
  return { name, filename: parameter(disposition, 'filename'), data: part.subarray(head + blank.length) };
}

function parameter(disposition: string, name: string): string | null {
  const [, quoted, plain] = new RegExp(`;\\s*${name}=(?:"([^"]*)"|([^\\s;"]+))`, 'i').exec(disposition) ?? [];
  return quoted ?? plain ?? null;
}

/** Index of the first `wanted` at or after `from`, or -1. */
function find(bytes: Uint8Array, wanted: Uint8Array, from: number): number {
  const [head = 0] = wanted;
  let at = bytes.indexOf(head, from);
  while (at >= 0 && !startsWith(bytes, wanted, at)) {
    at = bytes.indexOf(head, at + 1);
  }
  return at;
}

function startsWith(bytes: Uint8Array, wanted: Uint8Array, at: number): boolean {
  return at + wanted.length <= bytes.length && wanted.every((byte, i) => bytes[at + i] === byte);
}

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function malformed(message: string): RequestError {
  return new RequestError({ kind: 'invalid-request', param: null, message: `The form ${message}` });
}
