import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import {
  base64Chunks,
  base64Length,
  decodeBase64,
  decodeBase64InPlace,
  encodeBase64,
} from '../../../src/core/bytes/base64.ts';

const ascii = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const sample = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 167 + 251) & 0xff);

describe('base64', () => {
  it('equals Node at every remainder, both ways', () => {
    for (let length = 0; length < 300; length++) {
      const bytes = sample(length);
      const text = Buffer.from(bytes).toString('base64');
      expect(ascii(encodeBase64(bytes))).toBe(text);
      expect(base64Length(length)).toBe(text.length);
      expect(decodeBase64(text, 'x')).toEqual(bytes);
      expect(decodeBase64(`data:image/png;base64,${text}`, 'x', 22)).toEqual(bytes);
      expect(decodeBase64InPlace(new TextEncoder().encode(text), 'x')).toEqual(bytes);
    }
  });

  it('joins pieces of three bytes', () => {
    const bytes = sample(100);
    const pieces = ascii(encodeBase64(bytes.subarray(0, 33))) + ascii(encodeBase64(bytes.subarray(33)));
    expect(pieces).toBe(Buffer.from(bytes).toString('base64'));
  });

  it('streams parts of any lengths as one text', () => {
    for (const lengths of [
      [0],
      [1],
      [0, 0, 2],
      [1, 1, 1],
      [2, 2, 2, 2],
      [3, 49_152, 1],
      [7, 100_000, 5],
      [1, 0, 98_306, 2],
    ]) {
      const bytes = sample(lengths.reduce((sum, length) => sum + length, 0));
      let end = 0;
      const parts = lengths.map((length) => bytes.subarray(end, (end += length)));
      expect(Array.from(base64Chunks(parts), ascii).join('')).toBe(Buffer.from(bytes).toString('base64'));
    }
  });

  it.each([
    ['no padding', 'QUI', /3 characters/],
    ['line break', 'QUJD\nQUJ', /character 4: found code 0xa/],
    ['url-safe alphabet', 'QU-_', /character 2: found code 0x2d/],
    ['padding inside', 'QQ==QUJD', /character 2: found code 0x3d/],
    ['three pads', 'Q===', /character 1: found code 0x3d/],
    ['only pads', '====', /character 0/],
    ['non-ASCII character', 'QUJ\u{1F600}QUJ', /character 3: found code 0xd83d/],
    ['bits behind the end', 'QR==', /bits behind the end/],
    ['bits behind the end of two', 'QUJ=', /bits behind the end/],
  ])('refuses %s', (_, text, message) => {
    expect(() => decodeBase64(text, 'part')).toThrow(message);
  });

  it('refuses the same in place, with the same words', () => {
    for (const text of ['QUI', 'QUJD\nQUJ', 'QUJDQU-_', 'QQ==QUJD', 'Q===', '====', 'QR==', 'QUJDQUJ=']) {
      const words = messageOf(() => decodeBase64(text, 'part'));
      expect(messageOf(() => decodeBase64InPlace(new TextEncoder().encode(text), 'part'))).toBe(words);
    }
  });
});

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return String(error);
  }
  throw new Error('nothing was refused');
}
