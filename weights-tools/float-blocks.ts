import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from '../src/core/bytes/float.ts';
import type { Dtype } from '../src/core/bytes/safetensors-dtype.ts';
import { BadInput } from './bad-input.ts';
import type { TensorRef } from './checkpoint.ts';

/** Dtypes that weights may have on disk; all arithmetic is in f32. */
export const FLOAT_BYTES = { F32: 4, BF16: 2, F16: 2 } as const;
export type FloatDtype = keyof typeof FLOAT_BYTES;

export function isFloatDtype(dtype: Dtype): dtype is FloatDtype {
  return dtype in FLOAT_BYTES;
}

/** For tensors whose dtype was checked when they got their role. */
export function floatDtypeOf({ name, dtype }: Pick<TensorRef, 'name' | 'dtype'>): FloatDtype {
  if (!isFloatDtype(dtype)) {
    throw new RangeError(`${name}: ${dtype} is no float dtype`);
  }
  return dtype;
}

/**
 * Reads elements [first, first + out.length) of a tensor as f32 into `out`, and needs no memory beside it: 16-bit
 * values are read into the second half of `out` and widened from the front, where each write stays behind the next read.
 */
export async function readFloats(tensor: TensorRef, first: number, out: Float32Array): Promise<void> {
  const dtype = floatDtypeOf(tensor);
  const elementBytes = FLOAT_BYTES[dtype];
  const bytes = out.length * elementBytes;
  const start = tensor.start + first * elementBytes;
  const raw = new Uint8Array(out.buffer, out.byteOffset + out.byteLength - bytes, bytes);
  await tensor.source.readInto(raw, start);
  if (dtype !== 'F32') {
    const widen = dtype === 'BF16' ? bf16ToF32 : f16ToF32;
    widen(new Uint16Array(raw.buffer, raw.byteOffset, out.length), out);
  }
}

/** The same, where a value that is no number would hide in a sum. @throws BadInput for the first that is not finite */
export async function readFinite(tensor: TensorRef, first: number, out: Float32Array): Promise<void> {
  await readFloats(tensor, first, out);
  refuseNonFinite(tensor, 'F32', out);
}

/** The least magnitude that rounds to infinity: halfway from the largest number to the power of two after it. */
const OVERFLOW: Record<FloatDtype, number> = {
  F32: Number.POSITIVE_INFINITY,
  BF16: (2 - 2 ** -8) * 2 ** 127,
  F16: (2 - 2 ** -11) * 2 ** 15,
};

/**
 * One NaN or infinity among the weights makes every logit NaN.
 *
 * @throws BadInput for the first value that is not finite once rounded to `dtype`
 */
export function refuseNonFinite(tensor: TensorRef, dtype: FloatDtype, values: Float32Array): void {
  const found = firstNotHeld(dtype, values);
  if (found !== undefined) {
    throw new BadInput(`${tensor.source.name}: tensor ${tensor.name}: found ${found}, expected what ${dtype} can hold`);
  }
}

/** The first value that is not finite once rounded to `dtype`. */
export function firstNotHeld(dtype: FloatDtype, values: Float32Array): number | undefined {
  return firstFrom(OVERFLOW[dtype], values);
}

/** The first value that is no number, or whose magnitude is `limit`, an f32, or more. */
export function firstFrom(limit: number, values: Float32Array): number | undefined {
  const [limitBits = 0] = new Int32Array(Float32Array.of(limit).buffer);
  return values[indexFrom(limitBits, new Int32Array(values.buffer, values.byteOffset, values.length))];
}

/** As whole numbers, bits order magnitudes, NaN last. The engine reads an array that it is given faster than one made here. */
function indexFrom(limitBits: number, bits: Int32Array): number {
  for (let i = 0; i < bits.length; i += 1) {
    if (((bits[i] ?? 0) & 0x7fffffff) >= limitBits) {
      return i;
    }
  }
  return -1;
}

/** Rounds `floats` once to `dtype`, in their own memory, and returns the bytes at its front. Destroys `floats`. */
export function encodeInPlace(dtype: FloatDtype, floats: Float32Array): Uint8Array {
  if (dtype !== 'F32') {
    const narrow = dtype === 'BF16' ? f32ToBf16 : f32ToF16;
    narrow(floats, new Uint16Array(floats.buffer, floats.byteOffset, floats.length));
  }
  return new Uint8Array(floats.buffer, floats.byteOffset, floats.length * FLOAT_BYTES[dtype]);
}
