/* The slowest of PNG's filters by WebAssembly's vectors, in libpng's own place for such. */
#include <wasm_simd128.h>
#include "pngpriv.h"

/*
 * Paeth for pixels of 3 to 8 bytes, each byte a lane of 16 bits (PNG, 9.4). Loads reach up to 5 bytes behind a row, where
 * libpng has room.
 */
static inline void unfilterPaeth(png_row_infop info, png_bytep row, png_const_bytep above, const size_t pixel) {
  v128_t left = wasm_i16x8_splat(0);
  v128_t corner = wasm_i16x8_splat(0);
  for (png_bytep end = row + info->rowbytes; row < end; row += pixel, above += pixel) {
    const v128_t up = wasm_u16x8_load8x8(above);
    const v128_t vertical = wasm_i16x8_sub(up, corner);
    const v128_t horizontal = wasm_i16x8_sub(left, corner);
    const v128_t toLeft = wasm_i16x8_abs(vertical);
    const v128_t toUp = wasm_i16x8_abs(horizontal);
    const v128_t toCorner = wasm_i16x8_abs(wasm_i16x8_add(vertical, horizontal));
    const v128_t nearer = wasm_i16x8_min(toLeft, toUp);
    const v128_t side = wasm_v128_bitselect(up, left, wasm_i16x8_lt(toUp, toLeft));
    const v128_t guess = wasm_v128_bitselect(corner, side, wasm_i16x8_lt(toCorner, nearer));
    const v128_t stored = wasm_u16x8_load8x8(row);
    left = wasm_v128_and(wasm_i16x8_add(stored, guess), wasm_i16x8_splat(0xff));
    corner = up;
    const v128_t bytes = wasm_u8x16_narrow_i16x8(left, left);
    if (pixel == 3) {
      wasm_v128_store16_lane(row, bytes, 0);
      wasm_v128_store8_lane(row + 2, bytes, 2);
    } else if (pixel == 4) {
      wasm_v128_store32_lane(row, bytes, 0);
    } else if (pixel == 6) {
      wasm_v128_store32_lane(row, bytes, 0);
      wasm_v128_store16_lane(row + 4, bytes, 2);
    } else {
      wasm_v128_store64_lane(row, bytes, 0);
    }
  }
}

static void unfilterPaeth3(png_row_infop info, png_bytep row, png_const_bytep above) { unfilterPaeth(info, row, above, 3); }
static void unfilterPaeth4(png_row_infop info, png_bytep row, png_const_bytep above) { unfilterPaeth(info, row, above, 4); }
static void unfilterPaeth6(png_row_infop info, png_bytep row, png_const_bytep above) { unfilterPaeth(info, row, above, 6); }
static void unfilterPaeth8(png_row_infop info, png_bytep row, png_const_bytep above) { unfilterPaeth(info, row, above, 8); }

void useVectorFilters(png_structp decoder, unsigned int pixel) {
  const int paeth = PNG_FILTER_VALUE_PAETH - 1;
  switch (pixel) {
    case 3: decoder->read_filter[paeth] = unfilterPaeth3; break;
    case 4: decoder->read_filter[paeth] = unfilterPaeth4; break;
    case 6: decoder->read_filter[paeth] = unfilterPaeth6; break;
    case 8: decoder->read_filter[paeth] = unfilterPaeth8; break;
  }
}
