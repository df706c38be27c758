import { FLOAT_BYTES, type FloatDtype } from '../float-blocks.ts';
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from '../../src/core/bytes/float.ts';

/** Sums of squares over a weight: of the base, of what the adapters add, and of what rounding takes away from the sum. */
export interface RoundingTally {
  base: number;
  added: number;
  lost: number;
}

/** Stays in the processor's first cache. */
const CHUNK = 4096;

/**
 * Rounds `values` once to `dtype`, in their own memory, and returns the bytes at its front: as `encodeInPlace`, and enters into
 * `tally` what that cost. Destroys `values`.
 *
 * @param before the same values without the adapters
 */
export function roundAndMeasure(
  dtype: FloatDtype,
  before: Float32Array,
  values: Float32Array<ArrayBuffer>,
  tally: RoundingTally,
): Uint8Array {
  const exact = new Float32Array(CHUNK);
  const rounded = new Float32Array(CHUNK);
  const halves = new Uint16Array(CHUNK);
  for (let start = 0; start < values.length; start += CHUNK) {
    const count = Math.min(CHUNK, values.length - start);
    const sum = exact.subarray(0, count);
    sum.set(values.subarray(start, start + count));
    if (dtype === 'F32') {
      measure(before.subarray(start, start + count), sum, sum, tally);
      continue;
    }
    const [narrow, widen] = dtype === 'BF16' ? [f32ToBf16, bf16ToF32] : [f32ToF16, f16ToF32];
    const codes = narrow(sum, halves.subarray(0, count));
    measure(before.subarray(start, start + count), sum, widen(codes, rounded.subarray(0, count)), tally);
    // The two bytes of each value go where its own four, or another's before it, were read already.
    new Uint16Array(values.buffer, values.byteOffset + 2 * start, count).set(codes);
  }
  return new Uint8Array(values.buffer, values.byteOffset, values.length * FLOAT_BYTES[dtype]);
}

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
