import { roundHalfEven } from '../../src/core/bytes/round-half-even.ts';
import { type GgufScheme, viewOf } from './scheme.ts';

const ELEMENTS = 256;
const BYTES = 210;
const GROUP = 16;
const GROUPS = ELEMENTS / GROUP;
const MIDDLE = 32;
/** Codes that the search maps the largest magnitude to: around −32, in tenths. */
const SEARCH = Array.from({ length: 19 }, (_, i) => -(MIDDLE + (i - 9) / 10));
/** ggml's GROUP_MAX_EPS: a group that stays below it is stored as zeros. */
const ZERO_BELOW = 1e-15;

/** Places in a block: 128 bytes of low four bits, 64 of high two, 16 signed scales, f16 d. */
const HIGH_AT = 128;
const SCALES_AT = 192;
const D_AT = 208;

/**
 * Blocks of 256 in sixteen groups of 16, each with a signed scale s of 8 bits: a value is d · s · (code − 32). The scale
 * of a group comes from a search for the least squared error, weighted by x²; then all codes are chosen anew for the
 * scales as they are stored. The search is ggml's (ggml-quants.c, `make_qx_quants`) with float64 sums.
 */
export const Q6_K: GgufScheme = {
  type: 'Q6_K',

  quantize(values, out) {
    const view = viewOf(out);
    const scales = new Float64Array(GROUPS);
    const codes = new Uint8Array(ELEMENTS);
    for (let first = 0, at = 0; first < values.length; first += ELEMENTS, at += BYTES) {
      let largest = 0;
      for (let group = 0; group < GROUPS; group += 1) {
        const scale = fitGroup(values, first + group * GROUP);
        scales[group] = scale;
        largest = Math.abs(scale) > Math.abs(largest) ? scale : largest;
      }
      out.fill(0, at, at + BYTES);
      if (Math.abs(largest) >= ZERO_BELOW) {
        writeScales(view, at, scales, largest);
        chooseCodes(view, at, values, first, codes);
        packCodes(out, at, codes);
      }
    }
  },

  dequantize(blocks, out) {
    const view = viewOf(blocks);
    for (let first = 0, at = 0; first < out.length; first += ELEMENTS, at += BYTES) {
      for (let i = 0; i < ELEMENTS; i += 1) {
        out[first + i] = readScale(view, at, Math.floor(i / GROUP)) * (readCode(view, at, i) - MIDDLE);
      }
    }
  },
};

/** The scale of largest (Σ w x c)² / Σ w c², which is that of the least Σ w (scale · c − x)². 0 for a group of zeros. */
function fitGroup(values: Float32Array, start: number): number {
  let peak = 0;
  for (let i = start; i < start + GROUP; i += 1) {
    const x = values[i] ?? 0;
    peak = Math.abs(x) > Math.abs(peak) ? x : peak;
  }
  if (Math.abs(peak) < ZERO_BELOW) {
    return 0;
  }
  let scale = 0;
  let best = 0;
  for (let step = 0; step < SEARCH.length; step += 1) {
    const inverse = (SEARCH[step] ?? -MIDDLE) / peak;
    let sumCx = 0;
    let sumCC = 0;
    for (let i = start; i < start + GROUP; i += 1) {
      const x = values[i] ?? 0;
      const nearest = roundHalfEven(inverse * x);
      const code = nearest < -MIDDLE ? -MIDDLE : nearest > MIDDLE - 1 ? MIDDLE - 1 : nearest;
      const weighted = x * x * code;
      sumCx += weighted * x;
      sumCC += weighted * code;
    }
    if (sumCC > 0 && sumCx * sumCx > best * sumCC) {
      scale = sumCx / sumCC;
      best = scale * sumCx;
    }
  }
  return scale;
}

/** The scale of largest magnitude becomes −128. */
function writeScales(view: DataView, at: number, scales: Float64Array, largest: number): void {
  view.setFloat16(at + D_AT, Math.fround(largest / -128), true);
  for (let group = 0; group < GROUPS; group += 1) {
    const scale = Math.min(127, roundHalfEven((-128 * (scales[group] ?? 0)) / largest));
    view.setInt8(at + SCALES_AT + group, scale);
  }
}

/** A group's scale as it is stored. */
function readScale(view: DataView, at: number, group: number): number {
  return Math.fround(view.getFloat16(at + D_AT, true) * view.getInt8(at + SCALES_AT + group));
}

function chooseCodes(view: DataView, at: number, values: Float32Array, first: number, codes: Uint8Array): void {
  for (let group = 0; group < GROUPS; group += 1) {
    const scale = readScale(view, at, group);
    for (let i = group * GROUP; i < (group + 1) * GROUP; i += 1) {
      const nearest = scale === 0 ? 0 : roundHalfEven(Math.fround((values[first + i] ?? 0) / scale));
      codes[i] = Math.min(MIDDLE - 1, Math.max(-MIDDLE, nearest)) + MIDDLE;
    }
  }
}

/** Where code `index` lies: byte and shift of its low four bits, byte and shift of its high two. */
function placeOf(index: number): { low: number; lowShift: number; high: number; highShift: number } {
  const half = index >>> 7;
  const quarter = (index >>> 5) & 3;
  const i = index & 31;
  return {
    low: 64 * half + 32 * (quarter & 1) + i,
    lowShift: quarter < 2 ? 0 : 4,
    high: HIGH_AT + 32 * half + i,
    highShift: 2 * quarter,
  };
}

/** Into zeroed bytes. */
function packCodes(out: Uint8Array, at: number, codes: Uint8Array): void {
  for (let i = 0; i < ELEMENTS; i += 1) {
    const { low, lowShift, high, highShift } = placeOf(i);
    const code = codes[i] ?? 0;
    out[at + low] = (out[at + low] ?? 0) | ((code & 15) << lowShift);
    out[at + high] = (out[at + high] ?? 0) | ((code >>> 4) << highShift);
  }
}

function readCode(view: DataView, at: number, index: number): number {
  const { low, lowShift, high, highShift } = placeOf(index);
  return ((view.getUint8(at + low) >>> lowShift) & 15) | (((view.getUint8(at + high) >>> highShift) & 3) << 4);
}
