import { describe, expect, it } from 'vitest';
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from '../../../src/core/bytes/float.ts';

const EVERY_HALF = Uint16Array.from({ length: 65536 }, (_, index) => index);

/** Floats around every rounding decision: each 16-bit value's neighbours, halfway points and one bit beside them. */
function nearEveryHalf(widen: (source: Uint16Array) => Float32Array, droppedBits: number): Float32Array {
  const exact = new Uint32Array(widen(EVERY_HALF).buffer);
  const half = 2 ** (droppedBits - 1);
  const offsets = [0, 1, half - 1, half, half + 1, 2 * half - 1];
  return new Float32Array(
    Uint32Array.from([...exact].flatMap((bits) => offsets.map((offset) => bits + offset))).buffer,
  );
}

describe('bf16', () => {
  it('widens by appending zero bits', () => {
    const wide = new Uint32Array(bf16ToF32(EVERY_HALF).buffer);
    expect(wide.every((bits, index) => bits === index * 65536)).toBe(true);
  });

  it('survives a round trip for every value, NaN included', () => {
    const back = f32ToBf16(bf16ToF32(EVERY_HALF));
    const changed = EVERY_HALF.filter((half, index) => half !== back[index]);
    // Only signalling NaNs change: they come back quiet.
    expect(changed.every((half) => (half & 0x7fff) > 0x7f80 && (half & 0x40) === 0)).toBe(true);
  });

  it('rounds to nearest, ties to even, as arithmetic on the neighbours says', () => {
    const values = nearEveryHalf(bf16ToF32, 16).filter((value) => Number.isFinite(value));
    const rounded = bf16ToF32(f32ToBf16(values));
    for (const [index, value] of values.entries()) {
      const bits = new Uint32Array(Float32Array.of(value).buffer)[0] ?? 0;
      const below = new Float32Array(Uint32Array.of(bits & 0xffff0000).buffer)[0] ?? 0;
      const above = new Float32Array(Uint32Array.of((bits & 0xffff0000) + 0x10000).buffer)[0] ?? 0;
      const wide = Number.isFinite(above) ? above : Math.sign(value) * 2 ** 128;
      const toBelow = Math.abs(value - below);
      const toAbove = Math.abs(wide - value);
      const even = (bits & 0x10000) === 0 ? below : above;
      const expected = toBelow === toAbove ? even : toBelow < toAbove ? below : above;
      if (!Object.is(rounded[index], expected)) {
        throw new Error(`${value}: ${rounded[index]}, expected ${expected}`);
      }
    }
    expect(values.length).toBeGreaterThan(300_000);
  });

  it('keeps NaN whose payload lies in the dropped bits', () => {
    const nan = new Float32Array(Uint32Array.of(0x7f800001, 0xff800001).buffer);
    expect([...bf16ToF32(f32ToBf16(nan))]).toEqual([Number.NaN, Number.NaN]);
  });
});

describe('f16 against the engine', () => {
  it('widens every value as Float16Array does', () => {
    expect(f16ToF32(EVERY_HALF)).toEqual(Float32Array.from(new Float16Array(EVERY_HALF.buffer)));
  });

  it('narrows as Float16Array does around every rounding decision', () => {
    const values = nearEveryHalf(f16ToF32, 13);
    const expected = new Uint16Array(new Float16Array(values).buffer);
    const found = f32ToF16(values);
    const wrong = values.filter((value, index) => found[index] !== expected[index] && !Number.isNaN(value));
    expect(Array.from(wrong.subarray(0, 5))).toEqual([]);
  });

  it('flushes nothing and overflows at the halfway point', () => {
    const values = Float32Array.of(2 ** -24, 2 ** -25, 1.5 * 2 ** -25, -(2 ** -24), 65519.99, 65520, 1e-40, -0);
    expect([...f32ToF16(values)]).toEqual([1, 0, 1, 0x8001, 0x7bff, 0x7c00, 0, 0x8000]);
  });

  it('keeps NaN', () => {
    expect(f16ToF32(f32ToF16(Float32Array.of(Number.NaN)))[0]).toBeNaN();
  });
});

it('refuses an output of another length', () => {
  expect(() => bf16ToF32(new Uint16Array(3), new Float32Array(2))).toThrow(RangeError);
  expect(() => f32ToF16(new Float32Array(2), new Uint16Array(3))).toThrow(RangeError);
});
