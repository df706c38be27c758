import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Zig brings clang, a linker and a C library for WebAssembly: `pip install ziglang==0.15.1`, or ziglang.org. */
const ZIG_VERSION = '0.15.1';

const OPTIONS = words(`
  cc -target wasm32-wasi -mexec-model=reactor -O3 -msimd128 -DNDEBUG
  -fno-sanitize=all -Wl,--gc-sections -Wl,--strip-all -Wl,--no-entry -Wl,--import-memory -Wl,-z,stack-size=262144`);

/** A library's sources at one commit. */
export interface Library {
  /** Of a variable of the environment that names a checkout, which is taken instead. */
  readonly variable: string;
  readonly repository: string;
  readonly commit: string;
}

/** What is compiled into one module. */
export interface Compilation {
  /** Beside this file: its C files are compiled, over host.h and heap.c. */
  readonly folder: string;
  readonly options: readonly string[];
  readonly libraries: readonly Library[];
  /** Given where each library's sources lie, and a folder of its own to write headers to that a library's build would make. */
  readonly prepare: (libraries: readonly string[], scratch: string) => Promise<CSources>;
}

export interface CSources {
  readonly includes: readonly string[];
  readonly files: readonly string[];
}

/**
 * Compiles by the compiler that ZIG names, as words of a command line; the library's sources are fetched unless the
 * environment says where they are. Null where the compiler is not there, or of another version.
 */
export async function compileC(
  { folder, options, libraries, prepare }: Compilation,
  environment: NodeJS.ProcessEnv,
): Promise<Uint8Array | null> {
  const [zig = 'zig', ...zigArguments] = (environment['ZIG'] ?? 'zig').split(' ');
  const version = await run(zig, [...zigArguments, 'version']).catch(() => null);
  if (version?.stdout.trim() !== ZIG_VERSION) {
    return null;
  }
  const scratch = await mkdtemp(join(tmpdir(), 'vora-wasm-'));
  try {
    const places = await Promise.all(
      libraries.map(async (library) => environment[library.variable] ?? (await fetchSources(library, scratch))),
    );
    const { includes, files } = await prepare(places, scratch);
    const here = import.meta.dirname;
    const headers = [here, resolve(here, folder), scratch, ...includes].map((path) => `-I${path}`);
    const binary = join(scratch, 'decoder.wasm');
    await run(zig, [...zigArguments, ...OPTIONS, ...options, ...headers, join(here, 'heap.c'), ...files, '-o', binary]);
    return await readFile(binary);
  } finally {
    await rm(scratch, { recursive: true });
  }
}

export function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

/** A commit names its contents: nothing else can come. */
async function fetchSources({ variable, repository, commit }: Library, scratch: string): Promise<string> {
  const folder = join(scratch, variable);
  await run('git', ['init', '--quiet', folder]);
  await run('git', ['-C', folder, 'fetch', '--quiet', '--depth', '1', repository, commit]);
  await run('git', ['-C', folder, 'checkout', '--quiet', commit]);
  return folder;
}
