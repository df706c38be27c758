/**
 * TIES (arXiv 2306.01708) and DARE (arXiv 2311.03099) on what adapters add to a weight as a whole. PEFT applies them to A and
 * B apart, so its results differ. Sums are in float64.
 */

/** One adapter's change of a block of rows. */
export interface Delta {
  readonly values: Float32Array;
  readonly weight: number;
}

/**
 * Adds the weighted mean of the values that agree with the elected sign: the sign of the sum of what was kept, + for a sum
 * of 0. Where a value is no number, neither is the sum.
 *
 * @param thresholds magnitude from which a value of each delta is kept
 */
export function addTies(deltas: readonly Delta[], thresholds: readonly number[], out: Float32Array): void {
  for (let i = 0; i < out.length; i += 1) {
    let total = 0;
    for (const [d, { values }] of deltas.entries()) {
      const value = values[i] ?? 0;
      total += Math.abs(value) < (thresholds[d] ?? 0) ? 0 : value;
    }
    const sign = total >= 0 ? 1 : -1;
    let sum = Number.isNaN(total) ? total : 0;
    let agreeing = 0;
    for (const [d, { values, weight }] of deltas.entries()) {
      const value = values[i] ?? 0;
      if (Math.abs(value) >= (thresholds[d] ?? 0) && Math.sign(value) === sign) {
        sum += weight * value;
        agreeing += 1;
      }
    }
    out[i] = (out[i] ?? 0) + sum / Math.max(agreeing, 1);
  }
}

/** Adds Σ weight · value / density over the values that chance keeps. `keeps` is asked for each delta and element. */
export function addDare(
  deltas: readonly Delta[],
  density: number,
  keeps: (delta: number, element: number) => boolean,
  out: Float32Array,
): void {
  for (let i = 0; i < out.length; i += 1) {
    let sum = 0;
    for (const [d, { values, weight }] of deltas.entries()) {
      sum += keeps(d, i) ? weight * (values[i] ?? 0) : 0;
    }
    out[i] = (out[i] ?? 0) + sum / density;
  }
}

/**
 * The least magnitude among the `count` largest, found in fixed memory by two passes over the values: the bits of a float32
 * order magnitudes. Equal magnitudes at the threshold are all kept.
 *
 * @param passes gives all values, block by block, each time it is called
 */
export async function magnitudeThreshold(
  count: number,
  passes: (onBlock: (values: Float32Array) => void) => Promise<void>,
): Promise<number> {
  if (count < 1) {
    return Number.POSITIVE_INFINITY;
  }
  const high = new Float64Array(2 ** 15);
  await passes((values) => {
    const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
    for (let i = 0; i < bits.length; i += 1) {
      const bucket = ((bits[i] ?? 0) & 0x7fffffff) >>> 16;
      high[bucket] = (high[bucket] ?? 0) + 1;
    }
  });
  const [top, above] = bucketOf(high, count);
  const low = new Float64Array(2 ** 16);
  await passes((values) => {
    const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
    for (let i = 0; i < bits.length; i += 1) {
      const word = bits[i] ?? 0;
      if ((word & 0x7fffffff) >>> 16 === top) {
        const bucket = word & 0xffff;
        low[bucket] = (low[bucket] ?? 0) + 1;
      }
    }
  });
  const [bottom] = bucketOf(low, count - above);
  return new Float32Array(new Int32Array([(top << 16) | bottom]).buffer)[0] ?? 0;
}

/** From the largest down, the bucket that holds the `count`-th value, and how many values lie above it. */
function bucketOf(buckets: Float64Array, count: number): [bucket: number, above: number] {
  let above = 0;
  for (let bucket = buckets.length - 1; bucket > 0; bucket -= 1) {
    const inside = buckets[bucket] ?? 0;
    if (above + inside >= count) {
      return [bucket, above];
    }
    above += inside;
  }
  return [0, above];
}
