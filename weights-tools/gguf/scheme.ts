import type { GgmlTypeName } from './ggml-type.ts';

/** One way to store rows of f32, both ways. Rows come in whole blocks, of values that {@link magnitudeLimit} allows. */
export interface GgufScheme {
  readonly type: GgmlTypeName;
  /** Fills `out`, whose length is that of the blocks. */
  quantize(values: Float32Array, out: Uint8Array): void;
  /** The f32 that the blocks stand for, equal in every bit to llama.cpp's own. */
  dequantize(blocks: Uint8Array, out: Float32Array): void;
}

/**
 * From this magnitude on, a value is refused: it would round to infinity, or the f16 scale of its block could. No model
 * has weights of that size.
 */
export function magnitudeLimit(type: GgmlTypeName): number {
  return LIMITS[type] ?? 65520;
}

const LIMITS: Partial<Record<GgmlTypeName, number>> = {
  F32: Number.POSITIVE_INFINITY,
  BF16: (2 - 2 ** -8) * 2 ** 127,
};

export function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

/** 1 / scale in f32, and 0 for blocks so small that their f16 scale is 0 anyway. */
export function inverseOf(scale: number): number {
  const inverse = Math.fround(1 / scale);
  return Number.isFinite(inverse) ? inverse : 0;
}
