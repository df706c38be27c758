/* Inverse DCT of whole blocks: jpeg_idct_islow of libjpeg-turbo's jidctint.c. */
#include <stdbool.h>
#include "idct-lanes.h"

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
