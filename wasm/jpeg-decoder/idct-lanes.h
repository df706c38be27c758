/*
 * What idct.c and idct-reduced.c share. They stand where libjpeg-turbo has its own SIMD (simd/jsimddct.h), with its method in
 * 16 and 32 bits a number: where they overflow, which only damaged or absurd files bring about, they wrap and saturate as
 * libjpeg-turbo does on x86, so that those come out as Pillow has them too.
 */
#define JPEG_INTERNALS
#include "jinclude.h"
#include "jpeglib.h"
#include "../simd/jsimddct.h"
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

#define PAIRS_LOW(a, b) wasm_i32x4_shuffle(a, b, 0, 4, 1, 5)
#define PAIRS_HIGH(a, b) wasm_i32x4_shuffle(a, b, 2, 6, 3, 7)

/* 16 numbers about 0 as samples about 128. */
static inline v128_t samples(v128_t a, v128_t b) {
  return wasm_i8x16_add(wasm_i8x16_narrow_i16x8(a, b), wasm_i8x16_const_splat((signed char)0x80));
}
