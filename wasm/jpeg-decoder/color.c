/* YCbCr to RGB by SIMD, in the place where libjpeg-turbo has it (simd/jsimd.h): every value as its jdcolor.c makes it. */
#define JPEG_INTERNALS
#include "jinclude.h"
#include "jpeglib.h"
#include "../simd/jsimd.h"
#include <wasm_simd128.h>

/* Of twice a chroma value: for q15mulr, whose rounding makes what jdcolor.c makes of 1.40200 and 1.77200 for all 256 values. */
#define RED_FROM_CR 22972
#define BLUE_FROM_CB 29033
/* Of twice a chroma value, in 16.16 bits: −0.34414 and −0.71414. */
#define GREEN_FROM_CB (-11277)
#define GREEN_FROM_CR (-23401)

typedef struct {
  v128_t red, green, blue;
} colors;

/* What chroma, twice its distance from 128, adds to the luma of 8 pixels. */
static inline colors offsets(v128_t cb, v128_t cr) {
  const v128_t green = wasm_i16x8_const(GREEN_FROM_CB, GREEN_FROM_CR, GREEN_FROM_CB, GREEN_FROM_CR, GREEN_FROM_CB,
                                        GREEN_FROM_CR, GREEN_FROM_CB, GREEN_FROM_CR);
  const v128_t half = wasm_i32x4_const_splat(1 << 15);
  v128_t low = wasm_i32x4_dot_i16x8(wasm_i16x8_shuffle(cb, cr, 0, 8, 1, 9, 2, 10, 3, 11), green);
  v128_t high = wasm_i32x4_dot_i16x8(wasm_i16x8_shuffle(cb, cr, 4, 12, 5, 13, 6, 14, 7, 15), green);
  return (colors){
    wasm_i16x8_q15mulr_sat(cr, wasm_i16x8_const_splat(RED_FROM_CR)),
    wasm_i16x8_narrow_i32x4(wasm_i32x4_shr(wasm_i32x4_add(low, half), 16), wasm_i32x4_shr(wasm_i32x4_add(high, half), 16)),
    wasm_i16x8_q15mulr_sat(cb, wasm_i16x8_const_splat(BLUE_FROM_CB)),
  };
}

/* Twice the distance from 128 of the lower 8 of 16 samples, and of the upper. */
static inline v128_t low_distances(v128_t samples) {
  v128_t signed_samples = wasm_v128_xor(samples, wasm_i8x16_const_splat((signed char)0x80));
  const v128_t zero = wasm_i8x16_const_splat(0);
  return wasm_i16x8_shr(
    wasm_i8x16_shuffle(zero, signed_samples, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23), 7);
}
static inline v128_t high_distances(v128_t samples) {
  v128_t signed_samples = wasm_v128_xor(samples, wasm_i8x16_const_splat((signed char)0x80));
  const v128_t zero = wasm_i8x16_const_splat(0);
  return wasm_i16x8_shr(
    wasm_i8x16_shuffle(zero, signed_samples, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31), 7);
}

unsigned int jsimd_set_ycc_rgb(j_decompress_ptr info) { return info->out_color_space == JCS_RGB; }

/* Writes whole steps of 16 pixels: up to 45 bytes past a row. */
void jsimd_color_deconvert(j_decompress_ptr info, JSAMPIMAGE planes, JDIMENSION row, JSAMPARRAY rows, int count) {
  for (; count > 0; count--, row++, rows++) {
    const unsigned char *y = planes[0][row], *cb = planes[1][row], *cr = planes[2][row];
    unsigned char *to = *rows;
    for (JDIMENSION x = 0; x < info->output_width; x += 16, to += 48) {
      v128_t luma = wasm_v128_load(y + x), b = wasm_v128_load(cb + x), r = wasm_v128_load(cr + x);
      colors low = offsets(low_distances(b), low_distances(r));
      colors high = offsets(high_distances(b), high_distances(r));
      v128_t luma_low = wasm_u16x8_extend_low_u8x16(luma), luma_high = wasm_u16x8_extend_high_u8x16(luma);
      v128_t red = wasm_u8x16_narrow_i16x8(wasm_i16x8_add(luma_low, low.red), wasm_i16x8_add(luma_high, high.red));
      v128_t green = wasm_u8x16_narrow_i16x8(wasm_i16x8_add(luma_low, low.green), wasm_i16x8_add(luma_high, high.green));
      v128_t blue = wasm_u8x16_narrow_i16x8(wasm_i16x8_add(luma_low, low.blue), wasm_i16x8_add(luma_high, high.blue));
      v128_t rg0 = wasm_i8x16_shuffle(red, green, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      v128_t rg8 = wasm_i8x16_shuffle(red, green, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
      v128_t rg5 = wasm_i8x16_shuffle(rg0, rg8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25);
      wasm_v128_store(to, wasm_i8x16_shuffle(rg0, blue, 0, 1, 16, 2, 3, 17, 4, 5, 18, 6, 7, 19, 8, 9, 20, 10));
      wasm_v128_store(to + 16, wasm_i8x16_shuffle(rg5, blue, 1, 21, 2, 3, 22, 4, 5, 23, 6, 7, 24, 8, 9, 25, 10, 11));
      wasm_v128_store(to + 32, wasm_i8x16_shuffle(rg8, blue, 26, 6, 7, 27, 8, 9, 28, 10, 11, 29, 12, 13, 30, 14, 15, 31));
    }
  }
}
