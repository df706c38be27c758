/**
 * f32 to and from the two 16-bit floats, on whole arrays. Rounding is to nearest, ties to even; NaN stays NaN;
 * subnormals are kept; what is too large becomes infinity. Hosts are little-endian, as are the files.
 */

/** Widens exactly. `out` defaults to a new array of the same length. */
export function bf16ToF32(source: Uint16Array, out = new Float32Array(source.length)): Float32Array {
  const bits = bitsOf(out, source.length);
  for (let i = 0; i < source.length; i += 1) {
    bits[i] = (source[i] ?? 0) << 16;
  }
  return out;
}

export function f32ToBf16(source: Float32Array, out = new Uint16Array(source.length)): Uint16Array {
  requireLength(source.length, out.length);
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  for (let i = 0; i < bits.length; i += 1) {
    const word = bits[i] ?? 0;
    out[i] = (word & 0x7fffffff) > 0x7f800000 ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return out;
}

/** Widens exactly. */
export function f16ToF32(source: Uint16Array, out = new Float32Array(source.length)): Float32Array {
  requireLength(source.length, out.length);
  const bits = bitsOf(out, source.length);
  for (let i = 0; i < source.length; i += 1) {
    const half = source[i] ?? 0;
    const sign = (half & 0x8000) << 16;
    const exponent = half & 0x7c00;
    if (exponent === 0x7c00) {
      bits[i] = sign | 0x7f800000 | ((half & 0x3ff) << 13);
    } else if (exponent === 0) {
      out[i] = (sign === 0 ? 1 : -1) * (half & 0x3ff) * F16_SMALLEST;
    } else {
      bits[i] = sign | (((half & 0x7fff) << 13) + ((127 - 15) << 23));
    }
  }
  return out;
}

export function f32ToF16(source: Float32Array, out = new Uint16Array(source.length)): Uint16Array {
  requireLength(source.length, out.length);
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  for (let i = 0; i < bits.length; i += 1) {
    const word = bits[i] ?? 0;
    const sign = (word >>> 16) & 0x8000;
    const magnitude = word & 0x7fffffff;
    if (magnitude > 0x7f800000) {
      out[i] = sign | 0x7e00;
    } else if (magnitude >= F16_OVERFLOW_BITS) {
      out[i] = sign | 0x7c00;
    } else if (magnitude >= F16_NORMAL_BITS) {
      out[i] = sign | ((magnitude - ((127 - 15) << 23) + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
    } else {
      out[i] = sign | roundToEven(Math.abs(source[i] ?? 0) / F16_SMALLEST);
    }
  }
  return out;
}

/** 2^-24, the smallest f16 subnormal. */
const F16_SMALLEST = 2 ** -24;
/** Bits of 65520, halfway between the largest f16 and the next power of two: from here on the result is infinity. */
const F16_OVERFLOW_BITS = 0x477ff000;
/** Bits of 2^-14, the smallest normal f16. */
const F16_NORMAL_BITS = 0x38800000;

/** Exact for values below 2^52, and here they are below 2^10: adding 2^52 leaves no bit for the fraction. */
function roundToEven(value: number): number {
  return value + 2 ** 52 - 2 ** 52;
}

function bitsOf(floats: Float32Array, expected: number): Uint32Array {
  requireLength(expected, floats.length);
  return new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
}

function requireLength(expected: number, found: number): void {
  if (expected !== found) {
    throw new RangeError(`output of ${found} elements for input of ${expected}`);
  }
}
