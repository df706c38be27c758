/* One PNG, decoded row by row to RGB: a thin door to libpng for src/core/image/png-codec.ts. Alpha is dropped. */
#include "png.h"
#include "host.h"

#define INPUT_BYTES 65536
/* Rows given out at once. */
#define ROWS 16

enum { DAMAGED = 1, TRUNCATED = 2, OUT_OF_MEMORY = 3 };

static png_structp decoder;
static png_infop info;
static unsigned char *input;
static size_t input_at, input_end;
/* `ROWS` rows of RGB; of an interlaced picture, all of them as they were decoded. */
static unsigned char *rows, *whole;
/* 16-bit grey, whose values above 255 Pillow makes white where it narrows every other 16-bit form. */
static int grey16;

static void onError(png_structp unused, png_const_charp message) {
  (void)unused;
  (void)message;
  fail(DAMAGED);
}

static void onWarning(png_structp unused, png_const_charp message) {
  (void)unused;
  (void)message;
}

static void *allocate(size_t size) {
  void *taken = take(size);
  if (taken == NULL) fail(OUT_OF_MEMORY);
  return taken;
}

static png_voidp onAllocate(png_structp unused, png_alloc_size_t size) {
  (void)unused;
  return allocate(size);
}

static void onFree(png_structp unused, png_voidp object) {
  (void)unused;
  (void)object;
}

static void onRead(png_structp unused, png_bytep to, size_t size) {
  (void)unused;
  while (size > 0) {
    if (input_at == input_end) {
      input_at = 0;
      input_end = pull(input, INPUT_BYTES);
      if (input_end == 0) fail(TRUNCATED);
    }
    size_t count = input_end - input_at < size ? input_end - input_at : size;
    __builtin_memcpy(to, input + input_at, count);
    input_at += count;
    to += count;
    size -= count;
  }
}

/* Reads the header, and all of an interlaced picture. Returns the bytes of a pixel that is given out. */
__attribute__((export_name("begin"))) int begin(void) {
  input = allocate(INPUT_BYTES);
  decoder = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, NULL, onError, onWarning, NULL, onAllocate, onFree);
  info = png_create_info_struct(decoder);
  png_set_read_fn(decoder, NULL, onRead);
  png_read_info(decoder, info);
  int depth = png_get_bit_depth(decoder, info);
  int color = png_get_color_type(decoder, info);
  grey16 = depth == 16 && color == PNG_COLOR_TYPE_GRAY;
  if (!grey16) {
    png_set_expand(decoder);
    png_set_strip_16(decoder);
    png_set_strip_alpha(decoder);
    png_set_gray_to_rgb(decoder);
  }
  int passes = png_set_interlace_handling(decoder);
  png_read_update_info(decoder, info);
  png_uint_32 width = png_get_image_width(decoder, info);
  png_uint_32 height = png_get_image_height(decoder, info);
  rows = allocate((size_t)ROWS * width * 3);
  if (passes > 1) {
    size_t pitch = png_get_rowbytes(decoder, info);
    whole = allocate(pitch * height);
    for (int pass = 0; pass < passes; pass++) {
      for (png_uint_32 y = 0; y < height; y++) png_read_row(decoder, whole + y * pitch, NULL);
    }
  }
  return 3;
}

__attribute__((export_name("width"))) int width(void) { return (int)png_get_image_width(decoder, info); }
__attribute__((export_name("height"))) int height(void) { return (int)png_get_image_height(decoder, info); }

static void clipGrey(unsigned char *row, const unsigned char *values, png_uint_32 width) {
  /* From the back, for the row may hold its 16-bit values itself. */
  for (png_uint_32 x = width; x-- > 0;) {
    unsigned char level = values[x * 2] > 0 ? 255 : values[x * 2 + 1];
    row[x * 3] = row[x * 3 + 1] = row[x * 3 + 2] = level;
  }
}

/* Gives all rows, some at a time, and reads the file to its end. */
__attribute__((export_name("decode"))) void decode(void) {
  png_uint_32 width = png_get_image_width(decoder, info);
  png_uint_32 height = png_get_image_height(decoder, info);
  size_t pitch = png_get_rowbytes(decoder, info);
  for (png_uint_32 y = 0; y < height;) {
    int count = 0;
    for (; count < ROWS && y < height; count++, y++) {
      unsigned char *row = rows + (size_t)count * width * 3;
      const unsigned char *stored = whole == NULL ? row : whole + y * pitch;
      if (whole == NULL) png_read_row(decoder, row, NULL);
      if (grey16) clipGrey(row, stored, width);
      else if (whole != NULL) __builtin_memcpy(row, stored, pitch);
    }
    give(rows, count);
  }
  png_read_end(decoder, NULL);
}
