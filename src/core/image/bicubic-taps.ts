/** Pillow's fixed point: 8 bits for the result and 2 for the overshoot of the negative lobes leave 22 of 32. */
export const PRECISION_BITS = 32 - 8 - 2;
/** Bicubic reaches two source pixels to each side of the centre. */
const BICUBIC_SUPPORT = 2;
/** The `a` of Keys' cubic; Pillow's choice (PyTorch and OpenCV use -0.75). */
const A = -0.5;

/** One axis as data: output pixel i is Σ weights[i·stride + k] · source[starts[i] + k] for k < counts[i]. */
export interface Taps {
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  /** Fixed point, 2^22 = 1. */
  readonly weights: Int32Array;
  readonly stride: number;
}

function bicubic(distance: number): number {
  const x = Math.abs(distance);
  if (x < 1) {
    return ((A + 2) * x - (A + 3)) * x * x + 1;
  }
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * A : 0;
}

/**
 * Taps of one axis as Pillow 13 has them (libImaging/Resample.c): the kernel is stretched when shrinking (antialiasing),
 * coefficients are normalised in float64 and rounded to 22-bit fixed point.
 */
export function bicubicTaps(inputSize: number, outputSize: number): Taps {
  const scale = inputSize / outputSize;
  const stretch = Math.max(scale, 1);
  const support = BICUBIC_SUPPORT * stretch;
  const stride = Math.ceil(support) * 2 + 1;
  const starts = new Int32Array(outputSize);
  const counts = new Int32Array(outputSize);
  const weights = new Int32Array(outputSize * stride);
  const exact = new Float64Array(stride);

  for (let i = 0; i < outputSize; i++) {
    const center = (i + 0.5) * scale;
    const start = Math.max(Math.trunc(center - support + 0.5), 0);
    const count = Math.min(Math.trunc(center + support + 0.5), inputSize) - start;
    let sum = 0;
    for (let k = 0; k < count; k++) {
      // Pillow multiplies by the reciprocal; dividing rounds differently.
      const weight = bicubic((k + start - center + 0.5) * (1 / stretch));
      exact[k] = weight;
      sum += weight;
    }
    for (let k = 0; k < count; k++) {
      weights[i * stride + k] = toFixedPoint((exact[k] ?? 0) / sum);
    }
    starts[i] = start;
    counts[i] = count;
  }
  return { starts, counts, weights, stride };
}

/** Rounds half away from zero, as C's `(int)(x ± 0.5)` does; Math.round would take -0.5 to 0. */
function toFixedPoint(weight: number): number {
  return Math.trunc(weight * (1 << PRECISION_BITS) + (weight < 0 ? -0.5 : 0.5));
}

/** Re-bases taps of a canvas to the image that lies on it at `offset`; taps on black add zero and are dropped. */
export function clipTaps(taps: Taps, offset: number, size: number): Taps {
  const { stride } = taps;
  const starts = new Int32Array(taps.starts.length);
  const counts = new Int32Array(taps.starts.length);
  const weights = new Int32Array(taps.weights.length);
  for (const [i, canvasStart] of taps.starts.entries()) {
    const first = canvasStart - offset;
    const start = Math.min(Math.max(first, 0), size);
    const end = Math.min(Math.max(first + (taps.counts[i] ?? 0), start), size);
    starts[i] = start;
    counts[i] = end - start;
    const from = i * stride + start - first;
    weights.set(taps.weights.subarray(from, from + end - start), i * stride);
  }
  return { starts, counts, weights, stride };
}

/** Taps of the same axis read from its other end: source and output of `size` are mirrored. */
export function mirrorTaps(taps: Taps, size: number): Taps {
  const { stride } = taps;
  const last = taps.starts.length - 1;
  const starts = new Int32Array(taps.starts.length);
  const counts = taps.counts.toReversed();
  const weights = new Int32Array(taps.weights.length);
  for (let i = 0; i <= last; i++) {
    const from = last - i;
    const count = counts[i] ?? 0;
    starts[i] = size - (taps.starts[from] ?? 0) - count;
    weights.set(taps.weights.subarray(from * stride, from * stride + count).toReversed(), i * stride);
  }
  return { starts, counts, weights, stride };
}
