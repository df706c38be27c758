import { join, resolve } from 'node:path';
import { type Compilation, words } from './compile-c.ts';

const HOME = resolve(import.meta.dirname, 'png-decoder');

/** What reads; png-decoder/pnglibconf.h says how much of it. */
const LIBPNG_FILES = words('png pngerror pngget pngmem pngread pngrio pngrtran pngrutil pngset pngtrans');
const ZLIB_FILES = words('adler32 crc32 inffast inflate inftrees zutil');

/** png-decoder/ over libpng and zlib. */
export const pngDecoder: Compilation = {
  folder: 'png-decoder',
  // zlib without a C library of its own.
  options: ['-DZ_SOLO'],
  libraries: [
    {
      variable: 'LIBPNG',
      repository: 'https://github.com/pnggroup/libpng',
      // Tag v1.6.58.
      commit: '3061454d980de7d53608f594194cfac722721d2a',
    },
    {
      variable: 'ZLIB',
      repository: 'https://github.com/madler/zlib',
      // Tag v1.3.1.
      commit: '51b7f2abdade71cd9bb0e7a373ef2610ec6f9daf',
    },
  ],
  async prepare([libpng = '', zlib = '']) {
    const own = ['decoder.c', 'filters.c'].map((name) => join(HOME, name));
    const library = LIBPNG_FILES.map((name) => join(libpng, `${name}.c`));
    return {
      includes: [libpng, zlib],
      files: [...own, ...library, ...ZLIB_FILES.map((name) => join(zlib, `${name}.c`))],
    };
  },
};
