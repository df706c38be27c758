import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Compilation, words } from './compile-c.ts';

const HOME = resolve(import.meta.dirname, 'jpeg-decoder');

/** What decodes Huffman-coded JPEG of 8 bits in full colour; absent.c stands for what else jdmaster.c names. */
const FILES = words(`
  jcomapi jdapimin jdhuff jdinput jdmarker jdmaster jdphuff jmemmgr jpeg_nbits
  wrapper/jdapistd-8 wrapper/jdcoefct-8 wrapper/jdcolor-8 wrapper/jddctmgr-8 wrapper/jdmainct-8 wrapper/jdpostct-8
  wrapper/jdsample-8 wrapper/jidctflt-8 wrapper/jidctfst-8 wrapper/jidctint-8 wrapper/jidctred-8 wrapper/jutils-8`);

/** jpeg-decoder/ over libjpeg-turbo. */
export const jpegDecoder: Compilation = {
  folder: 'jpeg-decoder',
  options: ['-DNO_GETENV'],
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
    const own = ['decoder.c', 'memory.c', 'absent.c'].map((name) => join(HOME, name));
    return { includes: [turbo], files: [...own, ...FILES.map((name) => join(turbo, `${name}.c`))] };
  },
};
