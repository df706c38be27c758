import { describe, expect, it } from 'vitest';
import { E4M3_MAX, e4m3ToF32, f32ToE4m3 } from '../../../src/core/bytes/float8.ts';

const EVERY_CODE = Uint8Array.from({ length: 256 }, (_, code) => code);
const FINITE = EVERY_CODE.filter((code) => (code & 0x7f) !== 0x7f);

describe('E4M3', () => {
  it('has the numbers of its definition: OCP 8-bit floating point specification, table 2', () => {
    const named = new Map([
      [0x00, 0],
      [0x01, 2 ** -9],
      [0x07, 0.875 * 2 ** -6],
      [0x08, 2 ** -6],
      [0x38, 1],
      [0x7e, 448],
      [0xfe, -448],
    ]);
    for (const [code, value] of named) {
      expect(e4m3ToF32(Uint8Array.of(code))[0]).toBe(value);
    }
    expect(e4m3ToF32(Uint8Array.of(0x7f, 0xff)).every(Number.isNaN)).toBe(true);
  });

  it('survives a round trip for every code', () => {
    expect(f32ToE4m3(e4m3ToF32(EVERY_CODE))).toEqual(EVERY_CODE.map((code) => (code === 0xff ? 0x7f : code)));
  });

  it('rounds to the nearest, ties to the even code, as its neighbours say', () => {
    const positive = FINITE.filter((code) => code < 0x80);
    const values = e4m3ToF32(positive);
    for (const [i, code] of positive.slice(0, -1).entries()) {
      const [below = 0, above = 0] = [values[i], values[i + 1]];
      const middle = (below + above) / 2;
      const near = Float32Array.of(middle * (1 - 1e-6), middle, middle * (1 + 1e-6), -middle);
      const even = code % 2 === 0 ? code : code + 1;
      expect([...f32ToE4m3(near)]).toEqual([code, even, code + 1, even | 0x80]);
    }
  });

  it('cuts what is too large, keeps the sign of zero, and NaN', () => {
    const values = Float32Array.of(464, 1e30, Infinity, -Infinity, 0, -0, 1e-30, -1e-30, NaN);
    expect([...f32ToE4m3(values)]).toEqual([0x7e, 0x7e, 0x7e, 0xfe, 0, 0x80, 0, 0x80, 0x7f]);
    expect(E4M3_MAX).toBe(448);
  });
});
