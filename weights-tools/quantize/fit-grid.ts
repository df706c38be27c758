import { roundHalfEven } from '../../src/core/bytes/round-half-even.ts';

/** The values that the codes of one group can stand for: a code c is (c − zero) · scale. */
export interface Grid {
  readonly scale: number;
  /** Code of 0, a whole number. */
  readonly zero: number;
}

/**
 * Chooses the grid of a group: elements [start, end) of `values`.
 *
 * @param importance what the squared error of an element counts for, [end − start]
 */
export type FitGrid = (values: Float32Array, start: number, end: number, importance: Float32Array) => Grid;

/**
 * Symmetric, no value clipped by more than half a step: the value of largest magnitude, with its sign, becomes the lowest
 * code. All 2^bits codes are in use, which at 4 bits leaves a tenth less error than ±7 around the middle.
 */
export function peakGrid(bits: number): FitGrid {
  const zero = 2 ** (bits - 1);
  return (values, start, end) => ({ scale: peakOf(values, start, end) / -zero, zero });
}

/** Symmetric, a positive scale: all of −2^(bits − 1) − ½ … 2^(bits − 1) − ½ is the range of the values. */
export function absmaxGrid(bits: number): FitGrid {
  const zero = 2 ** (bits - 1);
  return (values, start, end) => ({ scale: Math.abs(peakOf(values, start, end)) / (zero - 0.5), zero });
}

/**
 * Symmetric, the scale that leaves the least weighted squared error among those that clip a group's largest values more or
 * less. Each way of clipping gives codes; the scale that suits them best is their least-squares fit.
 *
 * @param sign `either` also tries the grid turned around, whose odd code out, −2^(bits − 1), is then a positive value
 */
export function clippedGrid(bits: number, sign: 'positive' | 'either'): FitGrid {
  const zero = 2 ** (bits - 1);
  const directions = sign === 'either' ? [1, -1] : [1];
  const inverses = directions.flatMap((direction) => CLIP_RATIOS.map((ratio) => (direction * (zero - 0.5)) / ratio));
  return (values, start, end, importance) => {
    const peak = Math.abs(peakOf(values, start, end));
    return peak === 0 ? { scale: 0, zero } : bestFit(values, start, end, importance, peak, inverses, zero, bits);
  };
}

/** Asymmetric: the codes span the group's values and 0, which keeps a code of its own. */
export function rangeGrid(bits: number): FitGrid {
  const steps = 2 ** bits - 1;
  return (values, start, end) => {
    const { lowest, highest } = rangeOf(values, start, end);
    const scale = (highest - lowest) / steps;
    return { scale, zero: scale === 0 ? 0 : roundHalfEven(-lowest / scale) };
  };
}

/** Asymmetric as {@link rangeGrid}, both ends drawn in by the ratio that leaves the least weighted squared error. */
export function clippedRangeGrid(bits: number): FitGrid {
  const steps = 2 ** bits - 1;
  const inverses = CLIP_RATIOS.filter((ratio) => ratio <= 1).map((ratio) => steps / ratio);
  return (values, start, end, importance) => {
    const { lowest, highest } = rangeOf(values, start, end);
    const range = highest - lowest;
    if (range === 0) {
      return { scale: 0, zero: 0 };
    }
    const zero = roundHalfEven((-lowest / range) * steps);
    return bestFit(values, start, end, importance, range, inverses, zero, bits);
  };
}

/**
 * Where a group is clipped, as a part of its largest magnitude; above 1, codes meet the other values better. Five times as
 * many leave 0.2% less error on trained weights (models/vora-tiny, groups of 32 and 128): the fit of the scale does the rest.
 */
const CLIP_RATIOS = [1.05, 1, 0.95, 0.9, 0.85, 0.8];

/** Of the grids with `inverses / extent` as 1 / scale, the one whose codes, given their best scale, leave the least error. */
function bestFit(
  values: Float32Array,
  start: number,
  end: number,
  importance: Float32Array,
  extent: number,
  inverses: readonly number[],
  zero: number,
  bits: number,
): Grid {
  const lowest = -zero;
  const highest = 2 ** bits - 1 - zero;
  let scale = 0;
  let mostExplained = -1;
  for (const inverseExtent of inverses) {
    const inverse = inverseExtent / extent;
    let product = 0;
    let square = 0;
    for (let i = start; i < end; i += 1) {
      const value = values[i] ?? 0;
      const nearest = roundHalfEven(value * inverse);
      const code = nearest < lowest ? lowest : nearest > highest ? highest : nearest;
      const weighted = (importance[i - start] ?? 0) * code;
      product += weighted * value;
      square += weighted * code;
    }
    // Σw(x − sq)² is least for s = Σwxq / Σwq², and is then Σwx² − (Σwxq)² / Σwq².
    const explained = square > 0 ? (product * product) / square : 0;
    if (explained > mostExplained) {
      mostExplained = explained;
      scale = square > 0 ? product / square : 1 / inverse;
    }
  }
  return { scale, zero };
}

/**
 * The value of largest magnitude among elements [start, end), with its sign.
 *
 * @throws RangeError for a value that is not finite
 */
export function peakOf(values: Float32Array, start: number, end: number): number {
  let peak = 0;
  for (let i = start; i < end; i += 1) {
    const value = values[i] ?? 0;
    if (!(Math.abs(value) <= Math.abs(peak))) {
      peak = value;
    }
    requireFinite(peak, i);
  }
  return peak;
}

/** The smallest range that holds the values and 0. */
function rangeOf(values: Float32Array, start: number, end: number): { lowest: number; highest: number } {
  let [lowest, highest] = [0, 0];
  for (let i = start; i < end; i += 1) {
    const value = values[i] ?? 0;
    requireFinite(value, i);
    lowest = Math.min(lowest, value);
    highest = Math.max(highest, value);
  }
  return { lowest, highest };
}

function requireFinite(value: number, index: number): void {
  if (!Number.isFinite(value)) {
    throw new RangeError(`weight ${value} at element ${index} cannot be quantized`);
  }
}
