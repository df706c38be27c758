import { f16ToF32, f32ToF16 } from '../../src/core/bytes/float.ts';
import { encodeInPlace, type FloatDtype } from '../float-blocks.ts';

/** Sums of squares over a weight: of the base, of what the adapters add, and of what rounding takes away from the sum. */
export interface RoundingTally {
  base: number;
  added: number;
  lost: number;
}

/**
 * Rounds `values` once to `dtype`, in their own memory, and returns the bytes at its front: as `encodeInPlace`, and enters into
 * `tally` what that cost. Destroys `values`, which must be finite.
 *
 * @param before the same values without the adapters
 */
export function roundAndMeasure(
  dtype: FloatDtype,
  before: Float32Array,
  values: Float32Array,
  tally: RoundingTally,
): Uint8Array {
  switch (dtype) {
    case 'F32':
      measure(before, values, values, tally);
      return encodeInPlace(dtype, values);
    case 'F16':
      for (let start = 0; start < values.length; start += CHUNK) {
        const exact = values.subarray(start, start + CHUNK);
        measure(before.subarray(start, start + CHUNK), exact, f16ToF32(f32ToF16(exact)), tally);
      }
      return encodeInPlace(dtype, values);
    case 'BF16':
      return roundToBf16(before, values, tally);
  }
}

/** Stays in the processor's first cache. */
const CHUNK = 4096;

function measure(before: Float32Array, exact: Float32Array, rounded: Float32Array, tally: RoundingTally): void {
  let [base, added, lost] = [0, 0, 0];
  for (let i = 0; i < exact.length; i += 1) {
    const value = exact[i] ?? 0;
    const old = before[i] ?? 0;
    const change = value - old;
    const error = (rounded[i] ?? 0) - value;
    base += old * old;
    added += change * change;
    lost += error * error;
  }
  tally.base += base;
  tally.added += added;
  tally.lost += lost;
}

/**
 * All in one pass, which costs no more than rounding alone: bf16 is what merges are, and 7B of them have 6.5e9 values. The two
 * bytes of each value go where its own four, or another's before it, were read already.
 */
function roundToBf16(before: Float32Array, values: Float32Array, tally: RoundingTally): Uint8Array {
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.buffer, values.byteOffset, values.length);
  const word = new Int32Array(1);
  const rounded = new Float32Array(word.buffer);
  let [base, added, lost] = [0, 0, 0];
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i] ?? 0;
    const exact = bits[i] ?? 0;
    const old = before[i] ?? 0;
    const half = (exact + 0x7fff + ((exact >>> 16) & 1)) >>> 16;
    word[0] = half << 16;
    const change = value - old;
    const error = (rounded[0] ?? 0) - value;
    base += old * old;
    added += change * change;
    lost += error * error;
    halves[i] = half;
  }
  tally.base += base;
  tally.added += added;
  tally.lost += lost;
  return new Uint8Array(values.buffer, values.byteOffset, 2 * values.length);
}
