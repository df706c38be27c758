/*
 * Parts of libjpeg-turbo that jdmaster.c names and this decoder never reaches: 12 and 16 bits a sample and lossless JPEG are
 * refused before a decode begins; palettes and the merged upsampler are never asked for.
 */
#include "jinclude.h"
#include "jpeglib.h"
#include "jpegint.h"
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
