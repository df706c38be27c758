/**
 * Sums of weighted pixels in AssemblyScript, for src/core/image/simd-passes.ts, which says where everything lies: every
 * pointer is a byte offset into its memory. Whole numbers, modulo 2³² on the way: the same bytes as in plain-passes.ts.
 *
 * A weight, of 23 bits and a sign, is (high · 2¹² + low), both of which fit 16 bits. So products of two pixels and their
 * weights are one instruction, twice.
 */

/** Fixed point, and half of the last place that stays. */
const PRECISION: i32 = 22;
const HALF: i32 = 1 << (PRECISION - 1);
const LOW_BITS: i32 = 12;
/** Pixels that are weighted at once; of their 16 bytes, 12 count. */
const GROUP: usize = 12;

/**
 * Output pixels of one row of RGB.
 *
 * @param row with 16 bytes to read behind its last pixel
 * @param places for each output where its first pixel is in the row and how many groups of four it takes, u32 each
 * @param weights `pitch` bytes for each output; for each group the highs of its first and second pixel as i16, their lows,
 *   the highs of the third and fourth, their lows
 * @param out 3 bytes for each output, and one to spare
 */
export function resizeRow(row: usize, places: usize, weights: usize, pitch: usize, outputs: usize, out: usize): void {
  for (let x: usize = 0; x < outputs; x++) {
    const place = load<u64>(places + 8 * x);
    weighPixels(row + <usize>(place & 0xffff_ffff), <usize>(place >> 32), weights + pitch * x, out + 3 * x);
  }
}

function weighPixels(from: usize, groups: usize, weights: usize, out: usize): void {
  let highs = i32x4.splat(0);
  let lows = i32x4.splat(0);
  let moreHighs = i32x4.splat(0);
  let moreLows = i32x4.splat(0);
  const end = weights + 16 * groups;
  while (weights < end) {
    const pixels = v128.load(from);
    const four = v128.load(weights);
    // Red, green and blue of two pixels beside each other, as u16.
    const first = i8x16.swizzle(pixels, i8x16(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
    const second = i8x16.swizzle(pixels, i8x16(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1));
    highs = i32x4.add(highs, i32x4.dot_i16x8_s(first, v128.shuffle<i32>(four, four, 0, 0, 0, 0)));
    lows = i32x4.add(lows, i32x4.dot_i16x8_s(first, v128.shuffle<i32>(four, four, 1, 1, 1, 1)));
    moreHighs = i32x4.add(moreHighs, i32x4.dot_i16x8_s(second, v128.shuffle<i32>(four, four, 2, 2, 2, 2)));
    moreLows = i32x4.add(moreLows, i32x4.dot_i16x8_s(second, v128.shuffle<i32>(four, four, 3, 3, 3, 3)));
    from += GROUP;
    weights += 16;
  }
  const sum = i32x4.add(
    i32x4.shl(i32x4.add(highs, moreHighs), LOW_BITS),
    i32x4.add(i32x4.add(lows, moreLows), i32x4.splat(HALF)),
  );
  const words = i16x8.narrow_i32x4_s(i32x4.shr_s(sum, PRECISION), i32x4.splat(0));
  v128.store32_lane(out, i8x16.narrow_i16x8_u(words, words), 0);
}

/** sums[i] += row[i] · weight, `count` bytes, to the next multiple of 16. */
export function addRow(row: usize, sums: usize, count: usize, weight: i32): void {
  const factor = i32x4.splat(weight);
  for (let i: usize = 0; i < count; i += 16) {
    const bytes = v128.load(row + i);
    const low = i16x8.extend_low_i8x16_u(bytes);
    const high = i16x8.extend_high_i8x16_u(bytes);
    const to = sums + 4 * i;
    v128.store(to, i32x4.add(v128.load(to), i32x4.mul(i32x4.extend_low_i16x8_u(low), factor)));
    v128.store(to, i32x4.add(v128.load(to, 16), i32x4.mul(i32x4.extend_high_i16x8_u(low), factor)), 16);
    v128.store(to, i32x4.add(v128.load(to, 32), i32x4.mul(i32x4.extend_low_i16x8_u(high), factor)), 32);
    v128.store(to, i32x4.add(v128.load(to, 48), i32x4.mul(i32x4.extend_high_i16x8_u(high), factor)), 48);
  }
}

/** out[i] = sums[i] as a byte, and sums begin anew; `count` sums, to the next multiple of 16. */
export function takeSums(sums: usize, out: usize, count: usize): void {
  for (let i: usize = 0; i < count; i += 16) {
    const from = sums + 4 * i;
    const low = i16x8.narrow_i32x4_s(bytesOf(from), bytesOf(from + 16));
    const high = i16x8.narrow_i32x4_s(bytesOf(from + 32), bytesOf(from + 48));
    v128.store(out + i, i8x16.narrow_i16x8_u(low, high));
    v128.store(from, i32x4.splat(0));
    v128.store(from, i32x4.splat(0), 16);
    v128.store(from, i32x4.splat(0), 32);
    v128.store(from, i32x4.splat(0), 48);
  }
}

function bytesOf(sums: usize): v128 {
  return i32x4.shr_s(i32x4.add(v128.load(sums), i32x4.splat(HALF)), PRECISION);
}
