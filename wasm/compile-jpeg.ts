import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const HOME = resolve(import.meta.dirname, 'jpeg-decoder');

/** Zig brings clang, a linker and a C library for WebAssembly: `pip install ziglang==0.15.1`, or ziglang.org. */
const ZIG_VERSION = '0.15.1';
const SOURCES = 'https://github.com/libjpeg-turbo/libjpeg-turbo';
/** Tag 3.2.0. */
const COMMIT = 'c85e6b905bf237038faa936dab160ebfc5da0344';

/** What decodes Huffman-coded JPEG of 8 bits in full colour; absent.c stands for what else jdmaster.c names. */
const FILES = words(`
  jcomapi jdapimin jdhuff jdinput jdmarker jdmaster jdphuff jmemmgr jpeg_nbits
  wrapper/jdapistd-8 wrapper/jdcoefct-8 wrapper/jdcolor-8 wrapper/jddctmgr-8 wrapper/jdmainct-8 wrapper/jdpostct-8
  wrapper/jdsample-8 wrapper/jidctflt-8 wrapper/jidctfst-8 wrapper/jidctint-8 wrapper/jidctred-8 wrapper/jutils-8`);

const OPTIONS = words(`
  cc -target wasm32-wasi -mexec-model=reactor -O3 -msimd128 -DNDEBUG -DNO_GETENV
  -fno-sanitize=all -Wl,--gc-sections -Wl,--strip-all -Wl,--no-entry -Wl,--import-memory -Wl,-z,stack-size=262144`);

/**
 * jpeg-decoder/ over libjpeg-turbo, whose sources are fetched, or taken from the checkout that LIBJPEG_TURBO names. ZIG
 * names the compiler, as words of a command line. Null where that is not there, or of another version.
 */
export async function compileJpegDecoder(environment: NodeJS.ProcessEnv): Promise<Uint8Array | null> {
  const [zig = 'zig', ...zigArguments] = (environment['ZIG'] ?? 'zig').split(' ');
  const version = await run(zig, [...zigArguments, 'version']).catch(() => null);
  if (version?.stdout.trim() !== ZIG_VERSION) {
    return null;
  }
  const folder = await mkdtemp(join(tmpdir(), 'vora-jpeg-'));
  try {
    const turbo = join(environment['LIBJPEG_TURBO'] ?? (await fetchSources(join(folder, 'turbo'))), 'src');
    const versionHeader = await readFile(join(turbo, 'jversion.h.in'), 'utf8');
    await writeFile(join(folder, 'jversion.h'), versionHeader.replace('@COPYRIGHT_YEAR@', '1991-2026'));
    const binary = join(folder, 'decoder.wasm');
    const includes = [HOME, folder, turbo].map((path) => `-I${path}`);
    const sources = ['decoder.c', 'memory.c', 'absent.c'].map((name) => join(HOME, name));
    const library = FILES.map((name) => join(turbo, `${name}.c`));
    await run(zig, [...zigArguments, ...OPTIONS, ...includes, ...sources, ...library, '-o', binary]);
    return await readFile(binary);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

/** A commit names its contents: nothing else can come. */
async function fetchSources(folder: string): Promise<string> {
  await run('git', ['init', '--quiet', folder]);
  await run('git', ['-C', folder, 'fetch', '--quiet', '--depth', '1', SOURCES, COMMIT]);
  await run('git', ['-C', folder, 'checkout', '--quiet', COMMIT]);
  return folder;
}
