import { MalformedFile } from './malformed-file.ts';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const PAD = 0x3d;
const INVALID = 0xff;

const ENCODE = new TextEncoder().encode(ALPHABET);
const DECODE = new Uint8Array(256).fill(INVALID);
for (const [value, code] of ENCODE.entries()) {
  DECODE[code] = value;
}

/** Length of the base64 text of so many bytes. */
export function base64Length(byteLength: number): number {
  return Math.ceil(byteLength / 3) * 4;
}

/**
 * Base64 (RFC 4648 §4, padded) as ASCII bytes, ready to be written into a request body.
 * Pieces whose lengths are multiples of three can be encoded one by one and concatenated.
 *
 * @param room for the text; the result is its beginning.
 */
export function encodeBase64(
  bytes: Uint8Array,
  room = new Uint8Array(base64Length(bytes.length)),
): Uint8Array<ArrayBuffer> {
  const text = room.subarray(0, base64Length(bytes.length));
  const whole = bytes.length - (bytes.length % 3);
  let out = 0;
  for (let i = 0; i < whole; i += 3) {
    const group = (byte(bytes, i) << 16) | (byte(bytes, i + 1) << 8) | byte(bytes, i + 2);
    text[out++] = byte(ENCODE, group >>> 18);
    text[out++] = byte(ENCODE, (group >>> 12) & 63);
    text[out++] = byte(ENCODE, (group >>> 6) & 63);
    text[out++] = byte(ENCODE, group & 63);
  }
  if (whole < bytes.length) {
    const group = (byte(bytes, whole) << 16) | (byte(bytes, whole + 1) << 8);
    text[out++] = byte(ENCODE, group >>> 18);
    text[out++] = byte(ENCODE, (group >>> 12) & 63);
    text[out++] = whole + 1 < bytes.length ? byte(ENCODE, (group >>> 6) & 63) : PAD;
    text[out++] = PAD;
  }
  return text;
}

/** Bytes that become one piece of base64: large enough to be cheap, small enough not to count as a copy. */
const CHUNK_BYTES = 3 * 16 * 1024;

/**
 * Base64 of the concatenation of `parts`, piece by piece, without ever holding the whole. All pieces lie in the same
 * memory: each is good until the next is taken. Memory of its own for each would pile up as garbage, the whole text's size.
 */
export function* base64Chunks(parts: readonly Uint8Array[]): Generator<Uint8Array<ArrayBuffer>, void> {
  const room = new Uint8Array(base64Length(CHUNK_BYTES));
  let carry = new Uint8Array(0);
  for (const part of parts) {
    const lead = Math.min(part.length, (3 - (carry.length % 3)) % 3);
    carry = joined(carry, part.subarray(0, lead));
    if (carry.length % 3 !== 0) {
      continue;
    }
    if (carry.length > 0) {
      yield encodeBase64(carry, room);
    }
    const whole = part.length - ((part.length - lead) % 3);
    for (let at = lead; at < whole; at += CHUNK_BYTES) {
      yield encodeBase64(part.subarray(at, Math.min(at + CHUNK_BYTES, whole)), room);
    }
    carry = part.slice(whole);
  }
  if (carry.length > 0) {
    yield encodeBase64(carry, room);
  }
}

/**
 * Strict inverse of `encodeBase64`: standard alphabet, padded, no white space, no stray bits (Python's `validate=True`).
 *
 * @param start index of the first base64 character in `text`, so that a data URL need not be sliced.
 * @throws MalformedFile named `name` with the position of the first bad character.
 */
export function decodeBase64(text: string, name: string, start = 0): Uint8Array<ArrayBuffer> {
  return decode(text, name, start, new Uint8Array(Math.ceil(((text.length - start) / 4) * 3)));
}

/** The same of a text that is ASCII bytes already, into the memory of the text itself: the result is its beginning. */
export function decodeBase64InPlace(text: Uint8Array<ArrayBuffer>, name: string): Uint8Array<ArrayBuffer> {
  return decode(text, name, 0, text);
}

type Base64Text = string | Uint8Array;

/** Three bytes are written for four characters that were read: they never overtake. */
function decode(
  text: Base64Text,
  name: string,
  start: number,
  bytes: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const length = text.length - start;
  if (length % 4 !== 0) {
    const found = `${length} characters`;
    throw new MalformedFile(name, 'base64 length', found, 'a multiple of 4, padded with "="');
  }
  const isPad = (back: number): boolean => length > 0 && charCode(text, text.length - back) === PAD;
  const padding = isPad(1) ? (isPad(2) ? 2 : 1) : 0;
  const whole = text.length - (padding === 0 ? 0 : 4);
  let out = 0;
  for (let i = start; i < whole; i += 4) {
    const a = sextet(text, i);
    const b = sextet(text, i + 1);
    const c = sextet(text, i + 2);
    const d = sextet(text, i + 3);
    if ((a | b | c | d) === INVALID) {
      throw badCharacter(text, name, i, start);
    }
    bytes[out++] = (a << 2) | (b >>> 4);
    bytes[out++] = (b << 4) | (c >>> 2);
    bytes[out++] = (c << 6) | d;
  }
  if (padding > 0) {
    const a = sextet(text, whole);
    const b = sextet(text, whole + 1);
    const c = padding === 2 ? 0 : sextet(text, whole + 2);
    if ((a | b | c) === INVALID) {
      throw badCharacter(text, name, whole, start);
    }
    if ((padding === 2 ? b & 15 : c & 3) !== 0) {
      const place = `base64 character ${whole - start}`;
      throw new MalformedFile(name, place, 'bits behind the end', 'zero bits');
    }
    bytes[out++] = (a << 2) | (b >>> 4);
    if (padding === 1) {
      bytes[out++] = (b << 4) | (c >>> 2);
    }
  }
  return bytes.subarray(0, out);
}

function charCode(text: Base64Text, index: number): number {
  return typeof text === 'string' ? text.charCodeAt(index) : (text[index] ?? INVALID);
}

/** Value of one character, or INVALID; the bits above 63 make the caller's one check see it. */
function sextet(text: Base64Text, index: number): number {
  return DECODE[charCode(text, index)] ?? INVALID;
}

function badCharacter(text: Base64Text, name: string, groupStart: number, start: number): MalformedFile {
  let index = groupStart;
  while (sextet(text, index) !== INVALID) {
    index++;
  }
  return new MalformedFile(
    name,
    `base64 character ${index - start}`,
    `code 0x${charCode(text, index).toString(16)}`,
    'A-Z a-z 0-9 + /',
  );
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

function byte(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0;
}
