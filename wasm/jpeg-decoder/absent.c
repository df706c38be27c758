/*
 * Parts of libjpeg-turbo that others of it name and this decoder never reaches: 12 and 16 bits a sample and lossless JPEG are
 * refused before a decode begins; palettes, the merged upsampler, 16 bits a pixel, other methods than islow and sizes other
 * than 1, 2, 4 and 8 eighths are never asked for. What is here by SIMD always stands before its plain C.
 */
#define JPEG_INTERNALS
#include "jinclude.h"
#include "jpeglib.h"
#include "../simd/jsimd.h"
#include "../simd/jsimddct.h"
#include "jerror.h"

#define ABSENT(name) \
  void name(j_decompress_ptr info) { ERREXIT(info, JERR_NOT_COMPILED); }
#define ABSENT_IF(name) \
  void name(j_decompress_ptr info, boolean unused) { (void)unused; ERREXIT(info, JERR_NOT_COMPILED); }

ABSENT(jinit_1pass_quantizer)
ABSENT(jinit_2pass_quantizer)
ABSENT(jinit_merged_upsampler)
ABSENT(jinit_lossless_decompressor)
ABSENT(jinit_lhuff_decoder)
ABSENT_IF(jinit_d_diff_controller)

ABSENT(j12init_1pass_quantizer)
ABSENT(j12init_2pass_quantizer)
ABSENT(j12init_merged_upsampler)
ABSENT(j12init_color_deconverter)
ABSENT(j12init_upsampler)
ABSENT(j12init_inverse_dct)
ABSENT(j12init_lossless_decompressor)
ABSENT_IF(j12init_d_post_controller)
ABSENT_IF(j12init_d_coef_controller)
ABSENT_IF(j12init_d_main_controller)
ABSENT_IF(j12init_d_diff_controller)

ABSENT(j16init_color_deconverter)
ABSENT(j16init_upsampler)
ABSENT(j16init_lossless_decompressor)
ABSENT_IF(j16init_d_post_controller)
ABSENT_IF(j16init_d_main_controller)
ABSENT_IF(j16init_d_diff_controller)

#define ABSENT_IDCT(name) \
  void name(j_decompress_ptr info, jpeg_component_info *component, JCOEFPTR block, JSAMPARRAY rows, JDIMENSION column) { \
    (void)component, (void)block, (void)rows, (void)column; \
    ERREXIT(info, JERR_NOT_COMPILED); \
  }

ABSENT_IDCT(jpeg_idct_islow)
ABSENT_IDCT(jpeg_idct_ifast)
ABSENT_IDCT(jpeg_idct_float)
ABSENT_IDCT(jpeg_idct_3x3)
ABSENT_IDCT(jpeg_idct_5x5)
ABSENT_IDCT(jpeg_idct_6x6)
ABSENT_IDCT(jpeg_idct_7x7)
ABSENT_IDCT(jpeg_idct_9x9)
ABSENT_IDCT(jpeg_idct_10x10)
ABSENT_IDCT(jpeg_idct_11x11)
ABSENT_IDCT(jpeg_idct_12x12)
ABSENT_IDCT(jpeg_idct_13x13)
ABSENT_IDCT(jpeg_idct_14x14)
ABSENT_IDCT(jpeg_idct_15x15)
ABSENT_IDCT(jpeg_idct_16x16)

/* Where the plain C serves. */
#define NOT_SIMD(name) \
  unsigned int name(j_decompress_ptr unused) { (void)unused; return 0; }
#define ABSENT_UPSAMPLE(name) \
  void name(j_decompress_ptr info, jpeg_component_info *component, JSAMPARRAY from, JSAMPARRAY *to) { \
    (void)component, (void)from, (void)to; \
    ERREXIT(info, JERR_NOT_COMPILED); \
  }

NOT_SIMD(jsimd_set_ycc_rgb565)
NOT_SIMD(jsimd_set_idct_ifast)
NOT_SIMD(jsimd_set_idct_float)
NOT_SIMD(jsimd_set_h2v1_upsample)
NOT_SIMD(jsimd_set_h2v2_upsample)
ABSENT_IDCT(jsimd_idct_ifast)
ABSENT_IDCT(jsimd_idct_float)
ABSENT_UPSAMPLE(jsimd_h2v1_upsample)
ABSENT_UPSAMPLE(jsimd_h2v2_upsample)
