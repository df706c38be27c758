/**
 * The patch embedding's arithmetic in AssemblyScript. It owns no memory: src/core/embed/patch-kernel.ts says where
 * everything lies, and every pointer here is a byte offset into that memory.
 *
 * Equal bytes on every machine: products and sums are whole numbers below 2³¹, exact in any order; what follows is f32 in a
 * fixed order, which WebAssembly defines to the bit. No relaxed SIMD.
 */

/** Columns of a panel: two vectors of four. */
const COLUMNS: usize = 8;
/** Bytes of one pair of rows in a panel: 8 columns × 2 × i16. */
const PAIR: usize = COLUMNS * 4;
/** Bytes before a panel's pairs: a scale and a bias for each column. */
const HEAD: usize = COLUMNS * 8;
/** Patches that are multiplied at once: with two vectors of columns all eight sums stay in registers. */
const PATCHES: usize = 4;

/**
 * to = from − centre as i16, one patch of `length` bytes. Four patches lie together: a pair of numbers of the first, of the
 * second, third and fourth, then the next pair of each. So one load fetches what four patches multiply by one pair of rows.
 * Beyond its trap handler's reach, as in workerd, every load of V8's is checked, and costs more than a product.
 *
 * @param to of this patch's first pair
 */
export function centrePatch(from: usize, length: usize, centre: usize, to: usize): void {
  for (let i: usize = 0; i < length; i += 2) {
    const low = <i32>load<u8>(from + i) - <i32>load<i16>(centre + 2 * i);
    const high = i + 1 < length ? <i32>load<u8>(from + i, 1) - <i32>load<i16>(centre + 2 * i, 2) : 0;
    store<i32>(to + 2 * PATCHES * i, (high << 16) | (low & 0xffff));
  }
}

/**
 * out[patch][column] = (Σ patch · weight · scale + bias) · factor[patch], `count` patches, a multiple of four.
 *
 * @param table for each panel its byte offset and the first pair of rows that is not zero, u32 each
 * @param pairs rows of the matrix, halved
 * @param patches as centrePatch lays them
 * @param outPitch bytes from one row of the result to the next
 */
export function multiply(
  table: usize,
  panels: usize,
  pairs: usize,
  patches: usize,
  count: usize,
  factors: usize,
  out: usize,
  outPitch: usize,
): void {
  for (let panel: usize = 0; panel < panels; panel++) {
    const at = <usize>load<u32>(table + 8 * panel);
    const first = <usize>load<u32>(table + 8 * panel, 4);
    for (let patch: usize = 0; patch < count; patch += PATCHES) {
      multiplyPanel(
        at,
        pairs - first,
        patches + 4 * (patch * pairs + PATCHES * first),
        factors + 4 * patch,
        out + patch * outPitch + 4 * COLUMNS * panel,
        outPitch,
      );
    }
  }
}

/**
 * Four patches times one panel. A function of its own, short and called often: V8 replaces baseline code between calls.
 */
function multiplyPanel(panel: usize, pairs: usize, patches: usize, factors: usize, out: usize, outPitch: usize): void {
  let a0 = i32x4.splat(0),
    a1 = i32x4.splat(0);
  let b0 = i32x4.splat(0),
    b1 = i32x4.splat(0);
  let c0 = i32x4.splat(0),
    c1 = i32x4.splat(0);
  let d0 = i32x4.splat(0),
    d1 = i32x4.splat(0);
  let weights = panel + HEAD;
  const end = weights + PAIR * pairs;
  while (weights < end) {
    const w0 = v128.load(weights);
    const w1 = v128.load(weights, 16);
    const four = v128.load(patches);
    const a = v128.shuffle<i32>(four, four, 0, 0, 0, 0);
    a0 = i32x4.add(a0, i32x4.dot_i16x8_s(a, w0));
    a1 = i32x4.add(a1, i32x4.dot_i16x8_s(a, w1));
    const b = v128.shuffle<i32>(four, four, 1, 1, 1, 1);
    b0 = i32x4.add(b0, i32x4.dot_i16x8_s(b, w0));
    b1 = i32x4.add(b1, i32x4.dot_i16x8_s(b, w1));
    const c = v128.shuffle<i32>(four, four, 2, 2, 2, 2);
    c0 = i32x4.add(c0, i32x4.dot_i16x8_s(c, w0));
    c1 = i32x4.add(c1, i32x4.dot_i16x8_s(c, w1));
    const d = v128.shuffle<i32>(four, four, 3, 3, 3, 3);
    d0 = i32x4.add(d0, i32x4.dot_i16x8_s(d, w0));
    d1 = i32x4.add(d1, i32x4.dot_i16x8_s(d, w1));
    weights += PAIR;
    patches += 4 * PATCHES;
  }
  finish(panel, a0, a1, load<f32>(factors), out);
  finish(panel, b0, b1, load<f32>(factors, 4), out + outPitch);
  finish(panel, c0, c1, load<f32>(factors, 8), out + 2 * outPitch);
  finish(panel, d0, d1, load<f32>(factors, 12), out + 3 * outPitch);
}

function finish(panel: usize, low: v128, high: v128, factor: f32, out: usize): void {
  const f = f32x4.splat(factor);
  const scaled0 = f32x4.mul(f32x4.convert_i32x4_s(low), v128.load(panel));
  const scaled1 = f32x4.mul(f32x4.convert_i32x4_s(high), v128.load(panel, 16));
  v128.store(out, f32x4.mul(f32x4.add(scaled0, v128.load(panel, 32)), f));
  v128.store(out, f32x4.mul(f32x4.add(scaled1, v128.load(panel, 48)), f), 16);
}

/** factor[row] = 1 / √(Σ row² / divisor + eps), rows of `width` f32, a multiple of four. */
export function inverseLengths(
  rows: usize,
  count: usize,
  width: usize,
  pitch: usize,
  divisor: f32,
  eps: f32,
  factors: usize,
): void {
  for (let row: usize = 0; row < count; row++) {
    let sum = f32x4.splat(0);
    const end = rows + 4 * width;
    for (let at = rows; at < end; at += 16) {
      const value = v128.load(at);
      sum = f32x4.add(sum, f32x4.mul(value, value));
    }
    const total =
      f32x4.extract_lane(sum, 0) +
      f32x4.extract_lane(sum, 1) +
      (f32x4.extract_lane(sum, 2) + f32x4.extract_lane(sum, 3));
    store<f32>(factors + 4 * row, 1 / sqrt<f32>(total / divisor + eps));
    rows += pitch;
  }
}

/** to = from + wa·a + wb·b + wc·c + wd·d, rows of `width` f32, a multiple of four. */
export function addBlend(
  from: usize,
  to: usize,
  width: usize,
  a: usize,
  b: usize,
  c: usize,
  d: usize,
  wa: f32,
  wb: f32,
  wc: f32,
  wd: f32,
): void {
  const va = f32x4.splat(wa);
  const vb = f32x4.splat(wb);
  const vc = f32x4.splat(wc);
  const vd = f32x4.splat(wd);
  for (let i: usize = 0; i < 4 * width; i += 16) {
    const top = f32x4.add(f32x4.mul(va, v128.load(a + i)), f32x4.mul(vb, v128.load(b + i)));
    const bottom = f32x4.add(f32x4.mul(vc, v128.load(c + i)), f32x4.mul(vd, v128.load(d + i)));
    v128.store(to + i, f32x4.add(v128.load(from + i), f32x4.add(top, bottom)));
  }
}

/** to = the bf16 nearest to from + a, rows of `width`, a multiple of eight: addBlend of one row and roundRow in one. */
export function addRowBf16(from: usize, to: usize, width: usize, a: usize): void {
  for (let i: usize = 0; i < 4 * width; i += 32) {
    const low = roundFour(f32x4.add(v128.load(from + i), v128.load(a + i)));
    const high = roundFour(f32x4.add(v128.load(from + i, 16), v128.load(a + i, 16)));
    v128.store(to + (i >> 1), v128.shuffle<i16>(low, high, 1, 3, 5, 7, 9, 11, 13, 15));
  }
}

/** A row of `width` finite f32, a multiple of eight, to bf16 in its own place: to the nearest, ties to even. */
export function roundRow(row: usize, width: usize): void {
  for (let i: usize = 0; i < 2 * width; i += 16) {
    const low = roundFour(v128.load(row + 2 * i));
    const high = roundFour(v128.load(row + 2 * i, 16));
    v128.store(row + i, v128.shuffle<i16>(low, high, 1, 3, 5, 7, 9, 11, 13, 15));
  }
}

/** The upper half of each lane is the bf16. */
function roundFour(values: v128): v128 {
  const odd = v128.and(i32x4.shr_u(values, 16), i32x4.splat(1));
  return i32x4.add(values, i32x4.add(odd, i32x4.splat(0x7fff)));
}
