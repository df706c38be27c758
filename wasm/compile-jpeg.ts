import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Compilation, words } from './compile-c.ts';

const HOME = resolve(import.meta.dirname, 'jpeg-decoder');

const OWN_FILES = words('decoder memory huffman idct idct-reduced upsample color absent');

/** What decodes Huffman-coded JPEG of 8 bits in full colour, jdhuff through huffman.c; absent.c stands for what else these name. */
const FILES = words(`
  jcomapi jdapimin jdinput jdmarker jdmaster jdphuff jmemmgr
  wrapper/jdapistd-8 wrapper/jdcoefct-8 wrapper/jdcolor-8 wrapper/jddctmgr-8 wrapper/jdmainct-8 wrapper/jdpostct-8
  wrapper/jdsample-8 wrapper/jidctred-8 wrapper/jutils-8`);

/** jpeg-decoder/ over libjpeg-turbo. */
export const jpegDecoder: Compilation = {
  folder: 'jpeg-decoder',
  options: ['-DNO_GETENV', '-DWITH_SIMD'],
  libraries: [
    {
      variable: 'LIBJPEG_TURBO',
      repository: 'https://github.com/libjpeg-turbo/libjpeg-turbo',
      // Tag 3.2.0.
      commit: 'c85e6b905bf237038faa936dab160ebfc5da0344',
    },
  ],
  async prepare([checkout = ''], scratch) {
    const turbo = join(checkout, 'src');
    const version = await readFile(join(turbo, 'jversion.h.in'), 'utf8');
    await writeFile(join(scratch, 'jversion.h'), version.replace('@COPYRIGHT_YEAR@', '1991-2026'));
    const files = [
      ...OWN_FILES.map((name) => join(HOME, `${name}.c`)),
      ...FILES.map((name) => join(turbo, `${name}.c`)),
    ];
    return { includes: [turbo], files };
  },
};
