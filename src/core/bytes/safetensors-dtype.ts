/** Bits of one element, in the order of the safetensors crate's `Dtype`, which is its order of alignment. */
const DTYPE_BITS = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const;

export type Dtype = keyof typeof DTYPE_BITS;

const ORDER = new Map(Object.keys(DTYPE_BITS).map((dtype, index) => [dtype, index]));

export function isDtype(name: unknown): name is Dtype {
  return typeof name === 'string' && ORDER.has(name);
}

/** Negative when a tensor of dtype `a` is laid out before one of dtype `b`: wider alignment first. */
export function compareDtypes(a: Dtype, b: Dtype): number {
  return (ORDER.get(b) ?? 0) - (ORDER.get(a) ?? 0);
}

/** Bytes of a dense tensor; undefined when a product passes 2^53 or sub-byte elements do not end on a byte. */
export function tensorBytes(dtype: Dtype, shape: readonly number[]): number | undefined {
  let elements = 1;
  for (const size of shape) {
    elements *= size;
    if (!Number.isSafeInteger(elements)) {
      return undefined;
    }
  }
  const bits = elements * DTYPE_BITS[dtype];
  return Number.isSafeInteger(bits) && bits % 8 === 0 ? bits / 8 : undefined;
}
