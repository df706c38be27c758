import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from '../../src/core/bytes/float.ts';
import type { GgufScheme } from './scheme.ts';

export const F32: GgufScheme = {
  type: 'F32',
  quantize(values, out) {
    out.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  },
  dequantize(blocks, out) {
    new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(blocks);
  },
};

/** Rounded to nearest, ties to even. */
export const F16: GgufScheme = {
  type: 'F16',
  quantize(values, out) {
    out.set(bytesOf(f32ToF16(values)));
  },
  dequantize(blocks, out) {
    f16ToF32(halvesOf(blocks), out);
  },
};

/** Rounded to nearest, ties to even. */
export const BF16: GgufScheme = {
  type: 'BF16',
  quantize(values, out) {
    out.set(bytesOf(f32ToBf16(values)));
  },
  dequantize(blocks, out) {
    bf16ToF32(halvesOf(blocks), out);
  },
};

function bytesOf({ buffer, byteOffset, byteLength }: Uint16Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** A copy where the bytes start at an odd address. */
function halvesOf(blocks: Uint8Array): Uint16Array {
  const bytes = blocks.byteOffset % 2 === 0 ? blocks : blocks.slice();
  return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
}
