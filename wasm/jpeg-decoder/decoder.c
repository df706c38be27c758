/* One JPEG, decoded row by row: a thin door to libjpeg-turbo for src/core/image/jpeg-codec.ts. */
#include <stddef.h>
#include <stdio.h>
#include "jpeglib.h"
#include "jerror.h"
#include "host.h"

#define INPUT_BYTES 65536
/* Rows given out at once; libjpeg makes up to 16 in one go. */
#define ROWS 16
/* What color.c may write past the last. */
#define SLACK 48

static struct jpeg_decompress_struct decoder;
static struct jpeg_error_mgr errors;
static struct jpeg_source_mgr source;
static unsigned char *input;
static unsigned char *rows;

static void onError(j_common_ptr common) { fail(common->err->msg_code); }

/* Warnings tell of damage that libjpeg repairs; Pillow does not listen to them either. */
static void onMessage(j_common_ptr common, int level) {
  if (level < 0) common->err->num_warnings++;
}

static void reset(j_common_ptr common) { common->err->num_warnings = 0; }

static void ignore(j_decompress_ptr unused) { (void)unused; }

static boolean fill(j_decompress_ptr unused) {
  (void)unused;
  size_t size = pull(input, INPUT_BYTES);
  /* A file that ends early is damaged, not grey. */
  if (size == 0) fail(JERR_INPUT_EOF);
  source.next_input_byte = input;
  source.bytes_in_buffer = size;
  return TRUE;
}

static void skip(j_decompress_ptr info, long count) {
  while (count > (long)source.bytes_in_buffer) {
    count -= (long)source.bytes_in_buffer;
    fill(info);
  }
  if (count > 0) {
    source.next_input_byte += count;
    source.bytes_in_buffer -= (size_t)count;
  }
}

/*
 * Reads the header and begins to decode at `eighths`/8 of the size. Grey and YCbCr become RGB, CMYK and YCCK become CMYK as
 * it is stored. What libjpeg itself allocates may have `memory` bytes. Returns the bytes of a pixel, 3 or 4.
 */
__attribute__((export_name("begin"))) int begin(int eighths, int memory) {
  errors.error_exit = onError;
  errors.emit_message = onMessage;
  errors.reset_error_mgr = reset;
  decoder.err = &errors;
  jpeg_create_decompress(&decoder);
  decoder.mem->max_memory_to_use = memory;
  source.init_source = ignore;
  source.fill_input_buffer = fill;
  source.skip_input_data = skip;
  source.resync_to_restart = jpeg_resync_to_restart;
  source.term_source = ignore;
  decoder.src = &source;
  input = take(INPUT_BYTES);
  if (input == NULL) fail(JERR_OUT_OF_MEMORY);
  jpeg_read_header(&decoder, TRUE);
  decoder.out_color_space = decoder.num_components == 4 ? JCS_CMYK : JCS_RGB;
  decoder.scale_num = (unsigned)eighths;
  decoder.scale_denom = 8;
  jpeg_start_decompress(&decoder);
  rows = take((size_t)ROWS * decoder.output_width * (size_t)decoder.output_components + SLACK);
  if (rows == NULL) fail(JERR_OUT_OF_MEMORY);
  return decoder.output_components;
}

__attribute__((export_name("width"))) int width(void) { return (int)decoder.output_width; }
__attribute__((export_name("height"))) int height(void) { return (int)decoder.output_height; }

/* Gives all rows, some at a time. */
__attribute__((export_name("decode"))) void decode(void) {
  JSAMPROW pointers[ROWS];
  size_t pitch = decoder.output_width * (size_t)decoder.output_components;
  for (int i = 0; i < ROWS; i++) pointers[i] = rows + (size_t)i * pitch;
  while (decoder.output_scanline < decoder.output_height) {
    int count = 0;
    while (count < ROWS && decoder.output_scanline < decoder.output_height) {
      count += (int)jpeg_read_scanlines(&decoder, pointers + count, (JDIMENSION)(ROWS - count));
    }
    give(rows, count);
  }
}
