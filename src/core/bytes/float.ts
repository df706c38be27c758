/**
 * f32 to and from the two 16-bit floats, on whole arrays. Rounding is to nearest, ties to even; NaN stays NaN;
 * subnormals are kept; what is too large becomes infinity. Hosts are little-endian, as are the files.
 */

/** Widens exactly. `out` defaults to a new array of the same length. */
export function bf16ToF32(source: Uint16Array, out: Float32Array = new Float32Array(source.length)): Float32Array {
  const bits = bitsOf(out, source.length);
  for (let i = 0; i < source.length; i += 1) {
    bits[i] = (source[i] ?? 0) << 16;
  }
  return out;
}

export function f32ToBf16(source: Float32Array, out: Uint16Array = new Uint16Array(source.length)): Uint16Array {
  const bits = bitsOf(source, out.length);
  for (let i = 0; i < bits.length; i += 1) {
    const word = bits[i] ?? 0;
    const isNaN = (word & 0x7fffffff) > 0x7f800000;
    out[i] = isNaN ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return out;
}

/** Widens exactly. */
export function f16ToF32(source: Uint16Array, out: Float32Array = new Float32Array(source.length)): Float32Array {
  const bits = bitsOf(out, source.length);
  for (let i = 0; i < source.length; i += 1) {
    const half = source[i] ?? 0;
    const sign = (half & 0x8000) << 16;
    const magnitude = half & 0x7fff;
    if (magnitude >= 0x7c00) {
      bits[i] = sign | 0x7f800000 | (magnitude << 13);
    } else if (magnitude >= 0x400) {
      bits[i] = sign | ((magnitude << 13) + REBIAS);
    } else if (magnitude === 0) {
      bits[i] = sign;
    } else {
      // A subnormal: shift its leading one into the place of the implied bit, one exponent down for each step.
      const shift = Math.clz32(magnitude) - 21;
      bits[i] = sign | ((113 - shift) << 23) | (((magnitude << shift) & 0x3ff) << 13);
    }
  }
  return out;
}

export function f32ToF16(source: Float32Array, out: Uint16Array = new Uint16Array(source.length)): Uint16Array {
  const bits = bitsOf(source, out.length);
  for (let i = 0; i < bits.length; i += 1) {
    const word = bits[i] ?? 0;
    const sign = (word >>> 16) & 0x8000;
    const magnitude = word & 0x7fffffff;
    if (magnitude > 0x7f800000) {
      out[i] = sign | 0x7e00;
    } else if (magnitude >= F16_OVERFLOW_BITS) {
      out[i] = sign | 0x7c00;
    } else if (magnitude >= F16_NORMAL_BITS) {
      out[i] = sign | ((magnitude - REBIAS + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
    } else {
      out[i] = sign | subnormalHalf(magnitude);
    }
  }
  return out;
}

/** Difference of the exponent biases, 127 - 15, in the place of f32's exponent. */
const REBIAS = 112 << 23;
/** Bits of 65520, halfway between the largest f16 and the next power of two: from here on the result is infinity. */
const F16_OVERFLOW_BITS = 0x477ff000;
/** Bits of 2^-14, the smallest normal f16. */
const F16_NORMAL_BITS = 0x38800000;

/** Multiple of 2^-24 nearest to an f32 below 2^-14, given by its bits. */
function subnormalHalf(magnitude: number): number {
  const shift = 126 - (magnitude >>> 23);
  if (shift > 24) {
    return 0;
  }
  const significand = (magnitude & 0x7fffff) | 0x800000;
  const kept = significand >> shift;
  const dropped = significand & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return dropped > half || (dropped === half && (kept & 1) === 1) ? kept + 1 : kept;
}

/** The same memory as signed words, on which the engine's integer arithmetic is fastest. */
function bitsOf(floats: Float32Array, expected: number): Int32Array {
  if (floats.length !== expected) {
    throw new RangeError(`${floats.length} f32 elements beside ${expected} of 16 bits`);
  }
  return new Int32Array(floats.buffer, floats.byteOffset, floats.length);
}
