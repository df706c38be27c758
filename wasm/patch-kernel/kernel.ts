/**
 * The patch embedding's arithmetic in AssemblyScript. It owns no memory: src/core/embed/kernel-memory.ts says where
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

/** to[i] = from[i] − centre[i] as i16, `count` patches of `length` bytes, each to the next multiple of `pitch`. */
export function centrePatches(from: usize, count: usize, length: usize, centre: usize, to: usize, pitch: usize): void {
  for (let patch: usize = 0; patch < count; patch++) {
    for (let i: usize = 0; i < length; i++) {
      store<i16>(to + 2 * i, <i16>(<i32>load<u8>(from + i) - <i32>load<i16>(centre + 2 * i)));
    }
    from += length;
    to += pitch;
  }
}

/**
 * out[patch][column] = (Σ patch · weight · scale + bias) · factor[patch], `count` patches, a multiple of four.
 *
 * @param table for each panel its byte offset and the first pair of rows that is not zero, u32 each
 * @param pairs rows of the matrix, halved
 * @param pitch bytes from one patch to the next
 * @param outPitch bytes from one row of the result to the next
 */
export function multiply(
  table: usize,
  panels: usize,
  pairs: usize,
  patches: usize,
  count: usize,
  pitch: usize,
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
        patches + patch * pitch + 4 * first,
        pitch,
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
function multiplyPanel(
  panel: usize,
  pairs: usize,
  patches: usize,
  pitch: usize,
  factors: usize,
  out: usize,
  outPitch: usize,
): void {
  let a0 = i32x4.splat(0),
    a1 = i32x4.splat(0);
  let b0 = i32x4.splat(0),
    b1 = i32x4.splat(0);
  let c0 = i32x4.splat(0),
    c1 = i32x4.splat(0);
  let d0 = i32x4.splat(0),
    d1 = i32x4.splat(0);
  let a = patches;
  let b = a + pitch;
  let c = b + pitch;
  let d = c + pitch;
  let weights = panel + HEAD;
  const end = weights + PAIR * pairs;
  while (weights < end) {
    const w0 = v128.load(weights);
    const w1 = v128.load(weights, 16);
    const va = v128.load32_splat(a);
    a0 = i32x4.add(a0, i32x4.dot_i16x8_s(va, w0));
    a1 = i32x4.add(a1, i32x4.dot_i16x8_s(va, w1));
    const vb = v128.load32_splat(b);
    b0 = i32x4.add(b0, i32x4.dot_i16x8_s(vb, w0));
    b1 = i32x4.add(b1, i32x4.dot_i16x8_s(vb, w1));
    const vc = v128.load32_splat(c);
    c0 = i32x4.add(c0, i32x4.dot_i16x8_s(vc, w0));
    c1 = i32x4.add(c1, i32x4.dot_i16x8_s(vc, w1));
    const vd = v128.load32_splat(d);
    d0 = i32x4.add(d0, i32x4.dot_i16x8_s(vd, w0));
    d1 = i32x4.add(d1, i32x4.dot_i16x8_s(vd, w1));
    weights += PAIR;
    a += 4;
    b += 4;
    c += 4;
    d += 4;
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

/** to += wa·a + wb·b + wc·c + wd·d, rows of `width` f32, a multiple of four. */
export function addBlend(
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
    v128.store(to + i, f32x4.add(v128.load(to + i), f32x4.add(top, bottom)));
  }
}
