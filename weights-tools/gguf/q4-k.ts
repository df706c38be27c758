import { roundHalfEven } from '../../src/core/bytes/round-half-even.ts';
import { type GgufScheme, viewOf } from './scheme.ts';

const ELEMENTS = 256;
const BYTES = 144;
const GROUP = 32;
const GROUPS = ELEMENTS / GROUP;
const CODE_MAX = 15;
const SCALE_MAX = 63;
/** Steps from offset to largest value that the search tries: first the plain 15, then 14 to 16 in tenths. */
const SEARCH = [CODE_MAX, ...Array.from({ length: 21 }, (_, i) => 14 + i / 10)];

/** Below this share of its terms a determinant is their rounding: all codes are equal. */
const SINGULAR = 1e-9;

/** Places in a block: f16 d, f16 dmin, 12 bytes of 6-bit scales and minima, 128 bytes of codes. */
const SCALES_AT = 4;
const CODES_AT = 16;

/** The values of a group and what each counts. */
interface Weighted {
  readonly x: Float64Array;
  readonly w: Float64Array;
}

/** The scale and the minimum of each group, not yet rounded. */
interface Fits {
  readonly scales: Float64Array;
  readonly minima: Float64Array;
}

/**
 * Blocks of 256 in eight groups of 32, each with a scale s and a minimum m of 6 bits: a value is
 * d · s · code − dmin · m. Scale and minimum of a group come from a search for the least squared error, weighted by
 * magnitude; then all codes are chosen anew for the scales as they are stored. The search is ggml's
 * (ggml-quants.c, `make_qkx2_quants`) with float64 sums, so that its choice may differ where two are as good.
 */
export const Q4_K: GgufScheme = {
  type: 'Q4_K',

  quantize(values, out) {
    const view = viewOf(out);
    const fits = { scales: new Float64Array(GROUPS), minima: new Float64Array(GROUPS) };
    const weighted: Weighted = { x: new Float64Array(GROUP), w: new Float64Array(GROUP) };
    for (let first = 0, at = 0; first < values.length; first += ELEMENTS, at += BYTES) {
      for (let group = 0; group < GROUPS; group += 1) {
        weigh(values, first + group * GROUP, weighted);
        fitGroup(weighted, fits, group);
      }
      writeScales(view, at, fits);
      writeCodes(view, at, values, first);
    }
  },

  dequantize(blocks, out) {
    const view = viewOf(blocks);
    for (let first = 0, at = 0; first < out.length; first += ELEMENTS, at += BYTES) {
      for (let group = 0; group < GROUPS; group += 1) {
        const { scale, minimum } = readScale(view, at, group);
        const shift = 4 * (group % 2);
        const codesAt = at + CODES_AT + GROUP * (group >> 1);
        for (let i = 0; i < GROUP; i += 1) {
          const code = (view.getUint8(codesAt + i) >>> shift) & CODE_MAX;
          out[first + group * GROUP + i] = Math.fround(scale * code) - minimum;
        }
      }
    }
  },
};

/** The values of a group from `start` on; large ones count more, by what they are above the root mean square. */
function weigh(values: Float32Array, start: number, { x, w }: Weighted): void {
  let squares = 0;
  for (let i = 0; i < GROUP; i += 1) {
    const value = values[start + i] ?? 0;
    x[i] = value;
    squares += value * value;
  }
  const mean = Math.sqrt(squares / GROUP);
  for (let i = 0; i < GROUP; i += 1) {
    w[i] = mean + Math.abs(x[i] ?? 0);
  }
}

/**
 * Least Σ w · (scale · code + offset − x)², offset ≤ 0. Each range of {@link SEARCH} gives codes, least squares give their
 * scale and offset, and the next range starts at the best offset so far. The error follows from the sums themselves, less
 * Σ w · x², which is the same for all.
 */
function fitGroup({ x: xs, w: ws }: Weighted, fits: Fits, group: number): void {
  let least = 0;
  let largest = -Infinity;
  let sumW = 0;
  let sumWx = 0;
  for (let i = 0; i < GROUP; i += 1) {
    const x = xs[i] ?? 0;
    const w = ws[i] ?? 0;
    least = Math.min(least, x);
    largest = Math.max(largest, x);
    sumW += w;
    sumWx += w * x;
  }
  if (largest === least) {
    fits.scales[group] = 0;
    fits.minima[group] = -least;
    return;
  }
  let scale = (largest - least) / CODE_MAX;
  let offset = least;
  let bestError = Infinity;
  for (let step = 0; step < SEARCH.length; step += 1) {
    const inverse = (SEARCH[step] ?? CODE_MAX) / (largest - offset);
    let sumC = 0;
    let sumCC = 0;
    let sumCx = 0;
    for (let i = 0; i < GROUP; i += 1) {
      const x = xs[i] ?? 0;
      const nearest = roundHalfEven(inverse * (x - offset));
      const code = nearest < 0 ? 0 : nearest > CODE_MAX ? CODE_MAX : nearest;
      const weighted = (ws[i] ?? 0) * code;
      sumC += weighted;
      sumCC += weighted * code;
      sumCx += weighted * x;
    }
    let s = scale;
    let o = offset;
    if (step > 0) {
      const determinant = sumW * sumCC - sumC * sumC;
      if (determinant < SINGULAR * sumW * sumCC) {
        continue;
      }
      s = (sumW * sumCx - sumWx * sumC) / determinant;
      o = (sumCC * sumWx - sumC * sumCx) / determinant;
      if (o > 0) {
        s = sumCx / sumCC;
        o = 0;
      }
    }
    const error = s * s * sumCC + 2 * s * o * sumC + o * o * sumW - 2 * (s * sumCx + o * sumWx);
    if (error < bestError) {
      scale = s;
      offset = o;
      bestError = error;
    }
  }
  fits.scales[group] = scale;
  fits.minima[group] = -offset;
}

/** d and dmin map the largest scale and minimum to 63; the four upper groups keep their high bits beside the lower ones. */
function writeScales(view: DataView, at: number, { scales, minima }: Fits): void {
  const [scaleMax, minimumMax] = [Math.max(0, ...scales), Math.max(0, ...minima)];
  view.setFloat16(at, Math.fround(scaleMax / SCALE_MAX), true);
  view.setFloat16(at + 2, Math.fround(minimumMax / SCALE_MAX), true);
  const bytes = new Uint8Array(view.buffer, view.byteOffset + at + SCALES_AT, 12);
  for (let group = 0; group < GROUPS; group += 1) {
    const s = sixBits(scales[group] ?? 0, scaleMax);
    const m = sixBits(minima[group] ?? 0, minimumMax);
    if (group < 4) {
      bytes[group] = s;
      bytes[group + 4] = m;
    } else {
      bytes[group + 4] = (s & 15) | ((m & 15) << 4);
      bytes[group - 4] = (bytes[group - 4] ?? 0) | ((s >>> 4) << 6);
      bytes[group] = (bytes[group] ?? 0) | ((m >>> 4) << 6);
    }
  }
}

function sixBits(value: number, max: number): number {
  return max > 0 ? Math.max(0, roundHalfEven((SCALE_MAX * value) / max)) : 0;
}

/** A group's scale and minimum as they are stored. */
function readScale(view: DataView, at: number, group: number): { scale: number; minimum: number } {
  const byte = (i: number): number => view.getUint8(at + SCALES_AT + i);
  const s = group < 4 ? byte(group) & 63 : (byte(group + 4) & 15) | ((byte(group - 4) >>> 6) << 4);
  const m = group < 4 ? byte(group + 4) & 63 : (byte(group + 4) >>> 4) | ((byte(group) >>> 6) << 4);
  return {
    scale: Math.fround(view.getFloat16(at, true) * s),
    minimum: Math.fround(view.getFloat16(at + 2, true) * m),
  };
}

/** Two groups share 32 bytes: the even one has the low halves. */
function writeCodes(view: DataView, at: number, values: Float32Array, first: number): void {
  for (let group = 0; group < GROUPS; group += 1) {
    const { scale, minimum } = readScale(view, at, group);
    const codesAt = at + CODES_AT + GROUP * (group >> 1);
    for (let i = 0; i < GROUP; i += 1) {
      const x = Math.fround((values[first + group * GROUP + i] ?? 0) + minimum);
      const nearest = scale === 0 ? 0 : roundHalfEven(Math.fround(x / scale));
      const code = Math.min(CODE_MAX, Math.max(0, nearest));
      const low = group % 2 === 0 ? 0 : view.getUint8(codesAt + i);
      view.setUint8(codesAt + i, group % 2 === 0 ? code : low | (code << 4));
    }
  }
}
