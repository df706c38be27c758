import { roundHalfEven } from './round-half-even.ts';

/**
 * f32 to and from E4M3 as torch.float8_e4m3fn has it: sign, 4 bits of exponent, 3 of mantissa; no infinities, and NaN only
 * where all bits are set.
 */

/** The largest number; where the next would be stands NaN. */
export const E4M3_MAX = 448;

/** Exponent of the least number with an implied bit; below it lie multiples of 2^-9. */
const LEAST_EXPONENT = -6;
const MANTISSA_BITS = 3;
const NAN_CODE = 0x7f;

/** Nearest, ties to even. What is larger than {@link E4M3_MAX} becomes that, with its sign; NaN stays NaN. */
export function f32ToE4m3(source: Float32Array, out: Uint8Array = new Uint8Array(source.length)): Uint8Array {
  const words = new Uint32Array(source.buffer, source.byteOffset, source.length);
  for (let i = 0; i < words.length; i += 1) {
    const word = words[i] ?? 0;
    const magnitude = Math.min(Math.abs(source[i] ?? 0), E4M3_MAX);
    const exponent = Math.max(Math.min((word >>> 23) & 0xff, LARGEST_F32_EXPONENT) - 127, LEAST_EXPONENT);
    // In steps of the exponent's own size; sixteen of them carry into the next exponent by themselves.
    const steps = roundHalfEven(magnitude * 2 ** (MANTISSA_BITS - exponent));
    const code = (exponent - LEAST_EXPONENT) * 2 ** MANTISSA_BITS + steps;
    out[i] = ((word >>> 24) & 0x80) | (Number.isNaN(magnitude) ? NAN_CODE : code);
  }
  return out;
}

/** Widens exactly. */
export function e4m3ToF32(source: Uint8Array, out: Float32Array = new Float32Array(source.length)): Float32Array {
  for (let i = 0; i < source.length; i += 1) {
    out[i] = WIDENED[source[i] ?? 0] ?? 0;
  }
  return out;
}

/** Biased exponent of {@link E4M3_MAX} in f32: larger numbers are cut to that. */
const LARGEST_F32_EXPONENT = 127 + 8;

const WIDENED = Float32Array.from({ length: 256 }, (_, code) => {
  const exponent = (code >>> MANTISSA_BITS) & 15;
  const steps = (code & 7) + (exponent === 0 ? 0 : 8);
  const magnitude = steps * 2 ** (Math.max(exponent, 1) - 1 + LEAST_EXPONENT - MANTISSA_BITS);
  return (code & NAN_CODE) === NAN_CODE ? Number.NaN : code >= 0x80 ? -magnitude : magnitude;
});
