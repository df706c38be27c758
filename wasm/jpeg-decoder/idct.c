/*
 * Inverse DCT by SIMD, in the place where libjpeg-turbo has it (simd/jsimddct.h). The method is that of its jidctint.c and
 * jidctred.c, in 16 and 32 bits a number: where they overflow, which damaged files alone bring about, they wrap and saturate
 * as libjpeg-turbo does on x86, so that those come out as Pillow has them too.
 */
#define JPEG_INTERNALS
#include "jinclude.h"
#include "jpeglib.h"
#include "../simd/jsimddct.h"
#include <stdbool.h>
#include <wasm_simd128.h>

#define ALWAYS_INLINE inline __attribute__((always_inline))
#define CONST_BITS 13
#define PASS1_BITS 2
#undef FIX
#define FIX(x) ((short)((x) * (1 << CONST_BITS) + 0.5))
/* For i32x4.dot_i16x8: a times `even` plus b times `odd`, of lanes interleaved. */
#define PAIR(even, odd) wasm_i16x8_const(even, odd, even, odd, even, odd, even, odd)

/* 8 numbers of 32 bits. */
typedef struct {
  v128_t low, high;
} wide;

static inline wide add(wide a, wide b) { return (wide){wasm_i32x4_add(a.low, b.low), wasm_i32x4_add(a.high, b.high)}; }
static inline wide sub(wide a, wide b) { return (wide){wasm_i32x4_sub(a.low, b.low), wasm_i32x4_sub(a.high, b.high)}; }

static inline v128_t interleave_low(v128_t a, v128_t b) { return wasm_i16x8_shuffle(a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
static inline v128_t interleave_high(v128_t a, v128_t b) { return wasm_i16x8_shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15); }
static inline wide interleave(v128_t a, v128_t b) { return (wide){interleave_low(a, b), interleave_high(a, b)}; }

static inline wide dot(wide pairs, v128_t factors) {
  return (wide){wasm_i32x4_dot_i16x8(pairs.low, factors), wasm_i32x4_dot_i16x8(pairs.high, factors)};
}

static inline wide scale(v128_t a, int bits) {
  const v128_t zero = wasm_i16x8_splat(0);
  wide top = interleave(zero, a);
  return (wide){wasm_i32x4_shr(top.low, 16 - bits), wasm_i32x4_shr(top.high, 16 - bits)};
}

/* All that is shifted had half of the last bit added. */
static inline v128_t descale(wide a, int bits) {
  return wasm_i16x8_narrow_i32x4(wasm_i32x4_shr(a.low, bits), wasm_i32x4_shr(a.high, bits));
}

/* One dimension of jpeg_idct_islow for 8 columns at once, the last 4 rows of which may be known to be zeros. */
static ALWAYS_INLINE void transform(v128_t d[8], int bits, bool half) {
  wide tmp0, tmp1, tmp2, tmp3, tmp10, tmp11, tmp12, tmp13;
  const wide rounding = {wasm_i32x4_splat(1 << (bits - 1)), wasm_i32x4_splat(1 << (bits - 1))};
  if (half) {
    wide in02 = interleave(d[0], d[2]);
    tmp10 = add(dot(in02, PAIR(FIX(1), FIX(0.541196100) + FIX(0.765366865))), rounding);
    tmp11 = add(dot(in02, PAIR(FIX(1), FIX(0.541196100))), rounding);
    tmp12 = add(dot(in02, PAIR(FIX(1), -FIX(0.541196100))), rounding);
    tmp13 = add(dot(in02, PAIR(FIX(1), -FIX(0.541196100) - FIX(0.765366865))), rounding);
    wide in13 = interleave(d[1], d[3]);
    tmp0 = dot(in13, PAIR(FIX(1.175875602) - FIX(0.899976223), FIX(1.175875602) - FIX(1.961570560)));
    tmp1 = dot(in13, PAIR(FIX(1.175875602) - FIX(0.390180644), FIX(1.175875602) - FIX(2.562915447)));
    tmp2 = dot(in13, PAIR(FIX(1.175875602), FIX(1.175875602) - FIX(1.961570560) + FIX(3.072711026) - FIX(2.562915447)));
    tmp3 = dot(in13, PAIR(FIX(1.175875602) - FIX(0.390180644) + FIX(1.501321110) - FIX(0.899976223), FIX(1.175875602)));
  } else {
    wide in26 = interleave(d[2], d[6]);
    tmp3 = dot(in26, PAIR(FIX(0.541196100) + FIX(0.765366865), FIX(0.541196100)));
    tmp2 = dot(in26, PAIR(FIX(0.541196100), FIX(0.541196100) - FIX(1.847759065)));
    tmp0 = add(scale(wasm_i16x8_add(d[0], d[4]), CONST_BITS), rounding);
    tmp1 = add(scale(wasm_i16x8_sub(d[0], d[4]), CONST_BITS), rounding);
    tmp10 = add(tmp0, tmp3), tmp13 = sub(tmp0, tmp3);
    tmp11 = add(tmp1, tmp2), tmp12 = sub(tmp1, tmp2);

    wide in34 = interleave(wasm_i16x8_add(d[3], d[7]), wasm_i16x8_add(d[1], d[5]));
    wide z3 = dot(in34, PAIR(FIX(1.175875602) - FIX(1.961570560), FIX(1.175875602)));
    wide z4 = dot(in34, PAIR(FIX(1.175875602), FIX(1.175875602) - FIX(0.390180644)));
    wide in71 = interleave(d[7], d[1]);
    wide in53 = interleave(d[5], d[3]);
    tmp0 = add(dot(in71, PAIR(FIX(0.298631336) - FIX(0.899976223), -FIX(0.899976223))), z3);
    tmp3 = add(dot(in71, PAIR(-FIX(0.899976223), FIX(1.501321110) - FIX(0.899976223))), z4);
    tmp1 = add(dot(in53, PAIR(FIX(2.053119869) - FIX(2.562915447), -FIX(2.562915447))), z4);
    tmp2 = add(dot(in53, PAIR(-FIX(2.562915447), FIX(3.072711026) - FIX(2.562915447))), z3);
  }
  d[0] = descale(add(tmp10, tmp3), bits);
  d[7] = descale(sub(tmp10, tmp3), bits);
  d[1] = descale(add(tmp11, tmp2), bits);
  d[6] = descale(sub(tmp11, tmp2), bits);
  d[2] = descale(add(tmp12, tmp1), bits);
  d[5] = descale(sub(tmp12, tmp1), bits);
  d[3] = descale(add(tmp13, tmp0), bits);
  d[4] = descale(sub(tmp13, tmp0), bits);
}

#define PAIRS_LOW(a, b) wasm_i32x4_shuffle(a, b, 0, 4, 1, 5)
#define PAIRS_HIGH(a, b) wasm_i32x4_shuffle(a, b, 2, 6, 3, 7)
#define HALVES_LOW(a, b) wasm_i64x2_shuffle(a, b, 0, 2)
#define HALVES_HIGH(a, b) wasm_i64x2_shuffle(a, b, 1, 3)

static ALWAYS_INLINE void transpose(v128_t d[8]) {
  wide a = interleave(d[0], d[1]), b = interleave(d[2], d[3]), c = interleave(d[4], d[5]), e = interleave(d[6], d[7]);
  v128_t top01 = PAIRS_LOW(a.low, b.low), top23 = PAIRS_HIGH(a.low, b.low);
  v128_t top45 = PAIRS_LOW(a.high, b.high), top67 = PAIRS_HIGH(a.high, b.high);
  v128_t bottom01 = PAIRS_LOW(c.low, e.low), bottom23 = PAIRS_HIGH(c.low, e.low);
  v128_t bottom45 = PAIRS_LOW(c.high, e.high), bottom67 = PAIRS_HIGH(c.high, e.high);
  d[0] = HALVES_LOW(top01, bottom01);
  d[1] = HALVES_HIGH(top01, bottom01);
  d[2] = HALVES_LOW(top23, bottom23);
  d[3] = HALVES_HIGH(top23, bottom23);
  d[4] = HALVES_LOW(top45, bottom45);
  d[5] = HALVES_HIGH(top45, bottom45);
  d[6] = HALVES_LOW(top67, bottom67);
  d[7] = HALVES_HIGH(top67, bottom67);
}

#define BYTES_LOW(a, b) wasm_i8x16_shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define BYTES_HIGH(a, b) wasm_i8x16_shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)

/* Two columns of numbers about 0 as samples about 128. */
static inline v128_t samples(v128_t a, v128_t b) {
  return wasm_i8x16_add(wasm_i8x16_narrow_i16x8(a, b), wasm_i8x16_const_splat((signed char)0x80));
}

static ALWAYS_INLINE void store_columns(const v128_t d[8], JSAMPARRAY rows, JDIMENSION column) {
  v128_t c04 = samples(d[0], d[4]), c15 = samples(d[1], d[5]), c26 = samples(d[2], d[6]), c37 = samples(d[3], d[7]);
  wide left = interleave(BYTES_LOW(c04, c15), BYTES_LOW(c26, c37));
  wide right = interleave(BYTES_HIGH(c04, c15), BYTES_HIGH(c26, c37));
  v128_t two[4] = {PAIRS_LOW(left.low, right.low), PAIRS_HIGH(left.low, right.low), PAIRS_LOW(left.high, right.high),
                   PAIRS_HIGH(left.high, right.high)};
  for (int i = 0; i < 4; i++) {
    wasm_v128_store64_lane(rows[2 * i] + column, two[i], 0);
    wasm_v128_store64_lane(rows[2 * i + 1] + column, two[i], 1);
  }
}

unsigned int jsimd_set_idct_islow(j_decompress_ptr unused) {
  (void)unused;
  return 1;
}

void jsimd_idct_islow(j_decompress_ptr unused, jpeg_component_info *component, JCOEFPTR block, JSAMPARRAY rows,
                      JDIMENSION column) {
  (void)unused;
  const ISLOW_MULT_TYPE *quant = component->dct_table;
  v128_t d[8];
  for (int i = 0; i < 8; i++) d[i] = wasm_v128_load(block + 8 * i);
  v128_t upper = wasm_v128_or(wasm_v128_or(d[1], d[2]), d[3]);
  v128_t lower = wasm_v128_or(wasm_v128_or(d[4], d[5]), wasm_v128_or(d[6], d[7]));
  v128_t below_first = wasm_v128_or(upper, lower);
  bool half_width = wasm_i64x2_extract_lane(wasm_v128_or(below_first, d[0]), 1) == 0;
  for (int i = 0; i < 8; i++) d[i] = wasm_i16x8_mul(d[i], wasm_v128_load(quant + 8 * i));
  if (!wasm_v128_any_true(below_first)) {
    v128_t row = wasm_i16x8_shl(d[0], PASS1_BITS);
    for (int i = 0; i < 8; i++) d[i] = row;
  } else if (!wasm_v128_any_true(lower)) {
    transform(d, CONST_BITS - PASS1_BITS, true);
  } else {
    transform(d, CONST_BITS - PASS1_BITS, false);
  }
  transpose(d);
  if (half_width) {
    transform(d, CONST_BITS + PASS1_BITS + 3, true);
  } else {
    transform(d, CONST_BITS + PASS1_BITS + 3, false);
  }
  store_columns(d, rows, column);
}

unsigned int jsimd_set_idct_4x4(j_decompress_ptr unused) {
  (void)unused;
  return 1;
}

/* As jpeg_idct_4x4 of jidctred.c, which leaves out the fifth row and column. */
void jsimd_idct_4x4(j_decompress_ptr unused, jpeg_component_info *component, JCOEFPTR block, JSAMPARRAY rows,
                    JDIMENSION column) {
  (void)unused;
  const v128_t for_tmp0_13 = PAIR(FIX(1.061594337), -FIX(2.172734803));
  const v128_t for_tmp0_57 = PAIR(FIX(1.451774981), -FIX(0.211164243));
  const v128_t for_tmp2_13 = PAIR(FIX(2.562915447), FIX(0.899976223));
  const v128_t for_tmp2_57 = PAIR(-FIX(0.601344887), -FIX(0.509795579));
  const v128_t for_even = PAIR(FIX(1.847759065), -FIX(0.765366865));

  const ISLOW_MULT_TYPE *quant = component->dct_table;
  v128_t d[8];
  for (int i = 0; i < 8; i++) d[i] = wasm_v128_load(block + 8 * i);
  v128_t below_first = wasm_v128_or(wasm_v128_or(wasm_v128_or(d[1], d[2]), wasm_v128_or(d[3], d[5])), wasm_v128_or(d[6], d[7]));
  for (int i = 0; i < 8; i++) d[i] = wasm_i16x8_mul(d[i], wasm_v128_load(quant + 8 * i));
  if (wasm_v128_any_true(below_first)) {
    const int bits = CONST_BITS - PASS1_BITS + 1;
    const wide rounding = {wasm_i32x4_splat(1 << (bits - 1)), wasm_i32x4_splat(1 << (bits - 1))};
    wide in13 = interleave(d[1], d[3]), in57 = interleave(d[5], d[7]);
    wide tmp0 = add(dot(in13, for_tmp0_13), dot(in57, for_tmp0_57));
    wide tmp2 = add(dot(in13, for_tmp2_13), dot(in57, for_tmp2_57));
    wide even = add(scale(d[0], CONST_BITS + 1), rounding), in26 = dot(interleave(d[2], d[6]), for_even);
    wide tmp10 = add(even, in26), tmp12 = sub(even, in26);
    d[0] = descale(add(tmp10, tmp2), bits);
    d[1] = descale(add(tmp12, tmp0), bits);
    d[2] = descale(sub(tmp12, tmp0), bits);
    d[3] = descale(sub(tmp10, tmp2), bits);
  } else {
    v128_t row = wasm_i16x8_shl(d[0], PASS1_BITS);
    for (int i = 0; i < 4; i++) d[i] = row;
  }

  wide top = interleave(d[0], d[1]), bottom = interleave(d[2], d[3]);
  v128_t c01 = PAIRS_LOW(top.low, bottom.low), c23 = PAIRS_HIGH(top.low, bottom.low);
  v128_t c45 = PAIRS_LOW(top.high, bottom.high), c67 = PAIRS_HIGH(top.high, bottom.high);
  const int bits = CONST_BITS + PASS1_BITS + 3 + 1;
  v128_t c13 = interleave_high(c01, c23), c57 = interleave_high(c45, c67);
  v128_t tmp0 = wasm_i32x4_add(wasm_i32x4_dot_i16x8(c13, for_tmp0_13), wasm_i32x4_dot_i16x8(c57, for_tmp0_57));
  v128_t tmp2 = wasm_i32x4_add(wasm_i32x4_dot_i16x8(c13, for_tmp2_13), wasm_i32x4_dot_i16x8(c57, for_tmp2_57));
  v128_t c26 = wasm_i32x4_dot_i16x8(interleave_low(c23, c67), for_even);
  v128_t even = wasm_i32x4_add(scale(c01, CONST_BITS + 1).low, wasm_i32x4_splat(1 << (bits - 1)));
  v128_t tmp10 = wasm_i32x4_add(even, c26), tmp12 = wasm_i32x4_sub(even, c26);
  v128_t out02 = descale((wide){wasm_i32x4_add(tmp10, tmp2), wasm_i32x4_sub(tmp12, tmp0)}, bits);
  v128_t out13 = descale((wide){wasm_i32x4_add(tmp12, tmp0), wasm_i32x4_sub(tmp10, tmp2)}, bits);
  wide out = interleave(out02, out13);
  v128_t four = samples(PAIRS_LOW(out.low, out.high), PAIRS_HIGH(out.low, out.high));
  wasm_v128_store32_lane(rows[0] + column, four, 0);
  wasm_v128_store32_lane(rows[1] + column, four, 1);
  wasm_v128_store32_lane(rows[2] + column, four, 2);
  wasm_v128_store32_lane(rows[3] + column, four, 3);
}
