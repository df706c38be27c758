import { crc32 as zlibCrc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { crc32 } from '../../../src/core/bytes/crc32.ts';

describe('crc32', () => {
  it('gives the check value of the CRC catalogue', () => {
    expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
  });

  it('equals zlib at every length and alignment, whole and in pieces', () => {
    const bytes = Uint8Array.from({ length: 97 }, (_, i) => (i * 197 + 31) & 0xff);
    for (let start = 0; start < 9; start++) {
      for (let end = start; end < bytes.length; end++) {
        const piece = bytes.subarray(start, end);
        expect(crc32(piece)).toBe(zlibCrc32(piece));
        expect(crc32(piece.subarray(5), crc32(piece.subarray(0, 5)))).toBe(zlibCrc32(piece));
      }
    }
  });
});
