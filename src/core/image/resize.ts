import type { Canvas } from './pad.ts';
import { tightCanvas } from './pad.ts';
import type { Rgb } from './rgb.ts';

/** Pillow's fixed point: 8 bits for the result and 2 for the overshoot of the negative lobes leave 22 of 32. */
const PRECISION_BITS = 32 - 8 - 2;
const HALF = 1 << (PRECISION_BITS - 1);
/** Bicubic reaches two source pixels to each side of the centre. */
const BICUBIC_SUPPORT = 2;
/** The `a` of Keys' cubic; Pillow's choice (PyTorch and OpenCV use -0.75). */
const A = -0.5;

/** One axis as data: output pixel i is Σ weights[i·stride + k] · source[starts[i] + k] for k < counts[i]. */
interface Taps {
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  /** Fixed point, 2^22 = 1. */
  readonly weights: Int32Array;
  readonly stride: number;
}

/**
 * Bicubic resize to `width` × `height`, equal to Pillow 13's `Image.resize(…, BICUBIC)` in every bit.
 *
 * Follows libImaging/Resample.c: the kernel is stretched when shrinking (antialiasing), coefficients are normalised in
 * float64 and rounded to 22-bit fixed point, two passes with 8 bits between them. Pillow 13 takes the height first when
 * it loses more than twice what the width does; earlier Pillow never did, and its bytes differ for such pictures.
 * `canvas` lays the image on black before resizing; the black costs neither time nor memory.
 */
export function resizeBicubic(source: Rgb, width: number, height: number, canvas: Canvas = tightCanvas(source)): Rgb {
  // At equal sizes every weight but the middle one is zero, so Pillow's "nothing to do" is only a short cut.
  if (width === source.width && height === source.height && canvas.width === width && canvas.height === height) {
    return source;
  }
  const columns = clipTaps(bicubicTaps(canvas.width, width), canvas.left, source.width);
  const rows = clipTaps(bicubicTaps(canvas.height, height), canvas.top, source.height);
  const heightLoss = canvas.height - height;
  if (heightLoss > 0 && heightLoss > 2 * (canvas.width - width)) {
    return resizeColumns(resizeRows(source, rows, height), columns, width);
  }
  return resizeRows(resizeColumns(source, columns, width), rows, height);
}

function bicubic(distance: number): number {
  const x = Math.abs(distance);
  if (x < 1) {
    return ((A + 2) * x - (A + 3)) * x * x + 1;
  }
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * A : 0;
}

function bicubicTaps(inputSize: number, outputSize: number): Taps {
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
function clipTaps(taps: Taps, offset: number, size: number): Taps {
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

/*
 * The sums below stay in int32: the magnitudes of one pixel's weights add up to at most 1.27 · 2^22 (over all sizes up to
 * 400), and 255 · 2^22 · 2 is where int32 ends. `| 0` and `imul` tell the engine, which then stays out of float64.
 */

function resizeColumns(source: Rgb, taps: Taps, width: number): Rgb {
  const { starts, counts, weights, stride } = taps;
  const { data, height } = source;
  const out = new Uint8Array(width * height * 3);
  let to = 0;
  for (let y = 0; y < height; y++) {
    const row = y * source.width;
    for (let x = 0; x < width; x++) {
      const first = x * stride;
      const end = first + (counts[x] ?? 0);
      let from = (row + (starts[x] ?? 0)) * 3;
      let red = HALF;
      let green = HALF;
      let blue = HALF;
      for (let k = first; k < end; k++) {
        const weight = weights[k] ?? 0;
        red = (red + Math.imul(data[from] ?? 0, weight)) | 0;
        green = (green + Math.imul(data[from + 1] ?? 0, weight)) | 0;
        blue = (blue + Math.imul(data[from + 2] ?? 0, weight)) | 0;
        from += 3;
      }
      out[to] = toByte(red);
      out[to + 1] = toByte(green);
      out[to + 2] = toByte(blue);
      to += 3;
    }
  }
  return { width, height, data: out };
}

function resizeRows(source: Rgb, taps: Taps, height: number): Rgb {
  const { starts, counts, weights, stride } = taps;
  const { data, width } = source;
  const rowBytes = width * 3;
  const out = new Uint8Array(rowBytes * height);
  const sums = new Int32Array(rowBytes);
  for (let y = 0; y < height; y++) {
    sums.fill(HALF);
    const start = starts[y] ?? 0;
    const count = counts[y] ?? 0;
    for (let k = 0; k < count; k++) {
      const weight = weights[y * stride + k] ?? 0;
      const from = (start + k) * rowBytes;
      for (let x = 0; x < rowBytes; x++) {
        sums[x] = (sums[x] ?? 0) + Math.imul(data[from + x] ?? 0, weight);
      }
    }
    const to = y * rowBytes;
    for (let x = 0; x < rowBytes; x++) {
      out[to + x] = toByte(sums[x] ?? 0);
    }
  }
  return { width, height, data: out };
}

function toByte(sum: number): number {
  const value = sum >> PRECISION_BITS;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}
