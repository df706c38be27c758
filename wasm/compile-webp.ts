import { join, resolve } from 'node:path';
import { type Compilation, words } from './compile-c.ts';

const HOME = resolve(import.meta.dirname, 'webp-decoder');

/** What decodes a still picture, in plain C: libwebp's vector code is for other machines. */
const FILES = words(`
  dec/alpha_dec dec/buffer_dec dec/frame_dec dec/io_dec dec/quant_dec dec/tree_dec dec/vp8_dec dec/vp8l_dec dec/webp_dec
  dsp/alpha_processing dsp/cpu dsp/dec dsp/dec_clip_tables dsp/filters dsp/lossless dsp/rescaler dsp/upsampling dsp/yuv
  utils/bit_reader_utils utils/color_cache_utils utils/filters_utils utils/huffman_utils utils/palette
  utils/quant_levels_dec_utils utils/random_utils utils/rescaler_utils utils/thread_utils utils/utils`);

/** webp-decoder/ over libwebp. */
export const webpDecoder: Compilation = {
  folder: 'webp-decoder',
  options: ['-DWEBP_REDUCE_SIZE'],
  libraries: [
    {
      variable: 'LIBWEBP',
      repository: 'https://github.com/webmproject/libwebp',
      // Tag v1.6.0.
      commit: '4fa21912338357f89e4fd51cf2368325b59e9bd9',
    },
  ],
  async prepare([libwebp = '']) {
    const library = FILES.map((name) => join(libwebp, 'src', `${name}.c`));
    return { includes: [libwebp], files: [join(HOME, 'decoder.c'), ...library] };
  },
};
