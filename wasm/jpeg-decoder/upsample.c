/*
 * Chroma at half the width, and maybe half the height, made full by SIMD, in the place where libjpeg-turbo has it
 * (simd/jsimd.h): every value as its jdsample.c makes it.
 */
#define JPEG_INTERNALS
#include "jinclude.h"
#include "jpeglib.h"
#include "../simd/jsimd.h"
#include <wasm_simd128.h>

/* The lane before, and the lane after, each of `here`. */
#define BEFORE(previous, here) wasm_i16x8_shuffle(previous, here, 7, 8, 9, 10, 11, 12, 13, 14)
#define AFTER(here, next) wasm_i16x8_shuffle(here, next, 1, 2, 3, 4, 5, 6, 7, 8)

/* 16 samples at 3/4 of each number and 1/4 of its neighbour, left and right in turn. */
static inline __attribute__((always_inline)) v128_t between(v128_t previous, v128_t here, v128_t next, int left_bias,
                                                            int right_bias, int bits) {
  v128_t near = wasm_i16x8_add(here, wasm_i16x8_shl(here, 1));
  v128_t left = wasm_i16x8_add(wasm_i16x8_add(near, BEFORE(previous, here)), wasm_i16x8_splat((short)left_bias));
  v128_t right = wasm_i16x8_add(wasm_i16x8_add(near, AFTER(here, next)), wasm_i16x8_splat((short)right_bias));
  left = wasm_u16x8_shr(left, bits);
  /* The right one's byte on top of the left one's. */
  right = wasm_v128_and(wasm_i16x8_shl(right, 8 - bits), wasm_i16x8_const_splat((short)0xff00));
  return wasm_v128_or(left, right);
}

/* 3/4 of a near row and 1/4 of a far one, times 4. */
static inline v128_t column_sums(const unsigned char *near, const unsigned char *far) {
  v128_t a = wasm_u16x8_load8x8(near), b = wasm_u16x8_load8x8(far);
  return wasm_i16x8_add(wasm_i16x8_add(a, wasm_i16x8_shl(a, 1)), b);
}

/*
 * Reads whole steps of 8 samples and the step after, writes whole steps of 16: libjpeg's rows are as long, and behind the
 * last of them lies decoder.c's own.
 */
static void upsample_between(const unsigned char *near, const unsigned char *far, unsigned char *to, JDIMENSION width) {
  v128_t here = column_sums(near, far);
  v128_t previous = wasm_i16x8_splat(wasm_i16x8_extract_lane(here, 0));
  for (JDIMENSION x = 0; x < width; x += 8) {
    v128_t next = column_sums(near + x + 8, far + x + 8);
    wasm_v128_store(to + 2 * x, between(previous, here, next, 8, 7, 4));
    previous = here;
    here = next;
  }
  /* No sample follows the last. */
  to[2 * width - 1] = (unsigned char)((4 * (3 * near[width - 1] + far[width - 1]) + 7) >> 4);
}

unsigned int jsimd_set_h2v2_fancy_upsample(j_decompress_ptr unused) {
  (void)unused;
  return 1;
}

void jsimd_h2v2_fancy_upsample(j_decompress_ptr info, jpeg_component_info *component, JSAMPARRAY from, JSAMPARRAY *to) {
  for (int row = 0; 2 * row < info->max_v_samp_factor; row++) {
    upsample_between(from[row], from[row - 1], (*to)[2 * row], component->downsampled_width);
    upsample_between(from[row], from[row + 1], (*to)[2 * row + 1], component->downsampled_width);
  }
}

unsigned int jsimd_set_h2v1_fancy_upsample(j_decompress_ptr unused) {
  (void)unused;
  return 1;
}

void jsimd_h2v1_fancy_upsample(j_decompress_ptr info, jpeg_component_info *component, JSAMPARRAY from, JSAMPARRAY *to) {
  JDIMENSION width = component->downsampled_width;
  for (int row = 0; row < info->max_v_samp_factor; row++) {
    const unsigned char *samples = from[row];
    v128_t here = wasm_u16x8_load8x8(samples);
    v128_t previous = wasm_i16x8_splat(wasm_i16x8_extract_lane(here, 0));
    for (JDIMENSION x = 0; x < width; x += 8) {
      v128_t next = wasm_u16x8_load8x8(samples + x + 8);
      wasm_v128_store((*to)[row] + 2 * x, between(previous, here, next, 1, 2, 2));
      previous = here;
      here = next;
    }
    (*to)[row][2 * width - 1] = samples[width - 1];
  }
}
