/* Inverse DCT of blocks at a half and at a quarter of their size, as in libjpeg-turbo's jidctred.c. */
#include "idct-lanes.h"

unsigned int jsimd_set_idct_4x4(j_decompress_ptr unused) {
  (void)unused;
  return 1;
}

/* Leaves out the fifth row and column. */
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

unsigned int jsimd_set_idct_2x2(j_decompress_ptr unused) {
  (void)unused;
  return 1;
}

/* Leaves out the odd ones of all rows and columns after the first: 2, 4 and 6. */
void jsimd_idct_2x2(j_decompress_ptr unused, jpeg_component_info *component, JCOEFPTR block, JSAMPARRAY rows,
                    JDIMENSION column) {
  (void)unused;
  const short f1 = FIX(3.624509785), f3 = -FIX(1.272758580), f5 = FIX(0.850430095), f7 = -FIX(0.720959822);
  const ISLOW_MULT_TYPE *quant = component->dct_table;
  v128_t d[8];
  for (int i = 0; i < 8; i++) d[i] = wasm_i16x8_mul(wasm_v128_load(block + 8 * i), wasm_v128_load(quant + 8 * i));
  int bits = CONST_BITS - PASS1_BITS + 2;
  const wide rounding = {wasm_i32x4_splat(1 << (bits - 1)), wasm_i32x4_splat(1 << (bits - 1))};
  wide even = add(scale(d[0], CONST_BITS + 2), rounding);
  wide odd = add(dot(interleave(d[1], d[3]), PAIR(f1, f3)), dot(interleave(d[5], d[7]), PAIR(f5, f7)));
  wide top = add(even, odd), bottom = sub(even, odd);

  const v128_t of_columns = wasm_i16x8_const(0, f1, 0, f3, 0, f5, 0, f7);
  v128_t top_sums = wasm_i32x4_dot_i16x8(descale(top, bits), of_columns);
  v128_t bottom_sums = wasm_i32x4_dot_i16x8(descale(bottom, bits), of_columns);
  v128_t sums = wasm_i32x4_add(PAIRS_LOW(top_sums, bottom_sums), PAIRS_HIGH(top_sums, bottom_sums));
  sums = wasm_i32x4_add(sums, wasm_i32x4_shuffle(sums, sums, 2, 3, 2, 3));
  /* The first column alone has 32 bits. */
  v128_t first = wasm_i32x4_shl(wasm_i32x4_shr(PAIRS_LOW(top.low, bottom.low), bits), CONST_BITS + 2);
  bits = CONST_BITS + PASS1_BITS + 3 + 2;
  first = wasm_i32x4_add(first, wasm_i32x4_splat(1 << (bits - 1)));
  v128_t out = descale((wide){wasm_i32x4_add(first, sums), wasm_i32x4_sub(first, sums)}, bits);
  v128_t four = samples(out, out);
  rows[0][column] = wasm_u8x16_extract_lane(four, 0);
  rows[0][column + 1] = wasm_u8x16_extract_lane(four, 4);
  rows[1][column] = wasm_u8x16_extract_lane(four, 1);
  rows[1][column + 1] = wasm_u8x16_extract_lane(four, 5);
}
