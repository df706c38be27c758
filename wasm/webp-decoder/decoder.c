/*
 * One WebP, decoded row by row to RGB: a thin door to libwebp for src/core/image/webp-codec.ts. Alpha is dropped, and that of
 * a lossy picture not even decoded.
 *
 * The doors of libwebp want a buffer for the whole picture. This one does what DecodeInto of webp_dec.c does, and moves a
 * buffer of a few rows along: before libwebp writes row y there, the buffer's start is set to y rows above it.
 */
#include <stdint.h>
#include <stdlib.h>
#include "src/dec/vp8i_dec.h"
#include "src/dec/vp8li_dec.h"
#include "src/dec/webpi_dec.h"
#include "host.h"

/* Rows of a lossless picture that libwebp gives out at once; of a lossy one, a row of macroblocks and what filters kept back. */
#define LOSSLESS_ROWS 16
#define ROWS 32

/* libwebp's own codes come below. */
enum { OUT_OF_MEMORY = 100 };

void *malloc(size_t size) { return take(size); }
void *calloc(size_t count, size_t size) { return take(count * size); }
void free(void *object) { (void)object; }

static WebPHeaderStructure headers;
static VP8Io io;
static WebPDecBuffer output;
static WebPDecoderOptions options;
static WebPDecParams params;
static VP8Decoder *lossy;
static VP8LDecoder *lossless;
static unsigned char *rows;

static void onOk(VP8StatusCode status) {
  if (status != VP8_STATUS_OK) fail((int)status);
}

/* Row `y` is the next to be written. */
static void placeRow(int y) { output.u.RGBA.rgba = (uint8_t *)((uintptr_t)rows - (uintptr_t)y * output.u.RGBA.stride); }

static int (*putRows)(const VP8Io *);

static int putAndGive(const VP8Io *from) {
  int y = params.last_y;
  placeRow(y);
  if (!putRows(from)) return 0;
  give(rows, params.last_y - y);
  return 1;
}

/* Takes the file in, `size` bytes, and reads its header. Returns the bytes of a pixel that is given out. */
__attribute__((export_name("begin"))) int begin(int size) {
  unsigned char *file = take((size_t)size);
  if (file == NULL) fail(OUT_OF_MEMORY);
  headers.data = file;
  headers.data_size = pull(file, (size_t)size);
  headers.have_all_data = 1;
  onOk(WebPParseHeaders(&headers));
  output.colorspace = MODE_RGB;
  params.output = &output;
  VP8InitIo(&io);
  io.data = headers.data + headers.offset;
  io.data_size = headers.data_size - headers.offset;
  WebPInitCustomIo(&params, &io);
  if (headers.is_lossless) {
    lossless = VP8LNew();
    if (lossless == NULL) fail(OUT_OF_MEMORY);
    if (!VP8LDecodeHeader(lossless, &io)) fail((int)lossless->status);
  } else {
    lossy = VP8New();
    if (lossy == NULL) fail(OUT_OF_MEMORY);
    if (!VP8GetHeaders(lossy, &io)) fail((int)lossy->status);
  }
  output.u.RGBA.stride = io.width * 3;
  rows = take((size_t)ROWS * (size_t)output.u.RGBA.stride);
  if (rows == NULL) fail(OUT_OF_MEMORY);
  return 3;
}

__attribute__((export_name("width"))) int width(void) { return io.width; }
__attribute__((export_name("height"))) int height(void) { return io.height; }

static void decodeLossy(void) {
  putRows = io.put;
  io.put = putAndGive;
  if (!VP8Decode(lossy, &io)) fail((int)lossy->status);
}

/* A lossless decode goes on where the last crop ended, so that the crop's end is moved down and down. */
static void decodeLossless(void) {
  options.use_cropping = 1;
  options.crop_width = io.width;
  options.crop_height = io.height < LOSSLESS_ROWS ? io.height : LOSSLESS_ROWS;
  params.options = &options;
  for (int y = 0; y < io.height; y += LOSSLESS_ROWS) {
    if (y > 0) io.crop_bottom = io.height < y + LOSSLESS_ROWS ? io.height : y + LOSSLESS_ROWS;
    placeRow(y);
    if (!VP8LDecodeImage(lossless)) fail((int)lossless->status);
    give(rows, lossless->last_out_row - y);
  }
}

/* Gives all rows, some at a time. */
__attribute__((export_name("decode"))) void decode(void) {
  if (headers.is_lossless) decodeLossless();
  else decodeLossy();
}
