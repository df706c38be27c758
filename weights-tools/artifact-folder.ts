import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, realpath, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { type FileDigest, type Manifest, MANIFEST_FILE, manifestSchema } from '../src/core/model/manifest.ts';
import { BadInput } from './bad-input.ts';
import { formatByteSize } from './byte-size.ts';
import { type Digest, digestFile, type DigestOptions } from './digest.ts';
import { IoFailure, namingPath } from './io-failure.ts';
import { createOutputFile, type OutputFile } from './output-file.ts';

/**
 * An artifact folder in the making. Everything goes to `<target>.partial`; only `finish` gives it the target's name, by
 * one rename, when every byte is on the disk and vora.json lists them all. A run killed before that leaves the partial
 * folder, which the next run throws away. With `force` the old folder is `<target>.replaced` until then.
 */
export interface ArtifactFolder {
  /** The partial folder. */
  readonly path: string;
  /** Creates a file of exactly `byteLength` bytes, and the folders above it. @throws IoFailure where the disk lacks them */
  create(path: string, byteLength: number): Promise<OutputFile>;
  /** Writes a small file whole. */
  write(path: string, content: string | Uint8Array): Promise<void>;
  /** Begins to hash a file while it is written, as far as `ready` says; `finish` hashes all others. */
  digestWhile(path: string, ready: NonNullable<DigestOptions['ready']>, options: DigestOptions): void;
  finish(manifest: Omit<Manifest, 'artifacts'>, options?: DigestOptions): Promise<Manifest>;
}

/** Holds the writer's process id and a word of its own, so that two runs cannot share one partial folder. */
const LOCK_FILE = '.lock';

/**
 * @param force replace a finished artifact folder; anything else that stands at `target` is never removed
 * @param inputs folders that the run reads, none of which it may remove
 * @throws BadInput when the target is taken or another run is writing it
 */
export async function beginArtifactFolder(
  target: string,
  { force = false, inputs = [] }: { force?: boolean; inputs?: readonly string[] } = {},
): Promise<ArtifactFolder> {
  const final = resolve(target);
  const partial = `${final}.partial`;
  await refuseTaken(final, force);
  await refuseReplacing([final, partial], inputs);
  await refuseRunning(partial);
  await rm(partial, { recursive: true, force: true });
  await mkdir(dirname(partial), { recursive: true });
  await mkdir(partial);
  const lock = join(partial, LOCK_FILE);
  const owner = `${process.pid} ${randomUUID()}`;
  await writeFile(lock, owner);
  const digests = new Map<string, Promise<Digest>>();
  const digest = (path: string, options: DigestOptions): Promise<Digest> =>
    digestFile(join(partial, path), { ...options, sync: true });

  return {
    path: partial,
    async create(path, byteLength) {
      const full = join(partial, path);
      await mkdir(dirname(full), { recursive: true });
      await requireSpace(full, byteLength);
      return createOutputFile(full, byteLength);
    },
    async write(path, content) {
      const full = join(partial, path);
      await mkdir(dirname(full), { recursive: true });
      await namingPath(full, () => writeFile(full, content, { flag: 'wx' }));
    },
    digestWhile(path, ready, options) {
      const begun = digest(path, { ...options, ready });
      digests.set(path, begun);
      // Where it fails, `finish` says so.
      begun.catch(() => undefined);
    },
    async finish(manifest, options = {}) {
      const artifacts: FileDigest[] = [];
      for (const path of (await filesBelow(partial)).filter((name) => name !== LOCK_FILE)) {
        artifacts.push({ path, ...(await (digests.get(path) ?? digest(path, options))) });
      }
      const complete = manifestSchema.parse({ ...manifest, artifacts });
      const text = `${JSON.stringify(complete, null, 2)}\n`;
      const path = join(partial, MANIFEST_FILE);
      await namingPath(path, () => writeFile(path, text, { flush: true }));
      const folders = new Set(artifacts.map(({ path }) => dirname(join(partial, path))));
      await Promise.all([...folders, partial].map(syncFolder));
      if ((await readFile(lock, 'utf8')) !== owner) {
        throw new BadInput(`${partial}: another run began to write it; end one and start again`);
      }
      await rm(lock);
      await moveIntoPlace(partial, final, force);
      return complete;
    },
  };
}

/** A file that will not fit is refused before its first byte, not after the last that did. */
async function requireSpace(path: string, byteLength: number): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(path));
  if (bavail * bsize < byteLength) {
    const [needed, free] = [byteLength, bavail * bsize].map(formatByteSize);
    throw new IoFailure(path, `no space left: it needs ${needed}, the disk has ${free} free`);
  }
}

async function refuseTaken(target: string, force: boolean): Promise<void> {
  const found = await stat(target).catch(() => undefined);
  if (found === undefined || (found.isDirectory() && (await readdir(target)).length === 0)) {
    return;
  }
  const finished = (await stat(join(target, MANIFEST_FILE)).catch(() => undefined)) !== undefined;
  if (!finished) {
    throw new BadInput(`${target}: found something without ${MANIFEST_FILE}, expected a new path for the output`);
  }
  if (!force) {
    throw new BadInput(`${target}: found a finished artifact folder, expected a new path, or --force to replace it`);
  }
}

/** What is replaced is deleted at the end, and the files it was made from with it. */
async function refuseReplacing(targets: readonly string[], inputs: readonly string[]): Promise<void> {
  const replaced = await Promise.all(targets.map((path) => realpath(path).catch(() => path)));
  for (const input of inputs) {
    const real = await realpath(input);
    const target = replaced.find((path) => real === path || real.startsWith(`${path}${sep}`));
    if (target !== undefined) {
      throw new BadInput(`${target}: found the input ${input} there, expected another path for the output`);
    }
  }
}

async function refuseRunning(partial: string): Promise<void> {
  const text = await readFile(join(partial, LOCK_FILE), 'utf8').catch(() => '');
  const writer = Number.parseInt(text, 10);
  if (Number.isInteger(writer) && writer !== process.pid && isAlive(writer)) {
    throw new BadInput(`${partial}: process ${writer} is writing it; wait for it, or end it and delete the folder`);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Paths relative to `folder`, with forward slashes, sorted. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}

/** A rename is on the disk when the folder that holds the name is. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function moveIntoPlace(partial: string, final: string, force: boolean): Promise<void> {
  const replaced = `${final}.replaced`;
  await rm(replaced, { recursive: true, force: true });
  if (force && (await stat(final).catch(() => undefined)) !== undefined) {
    await rename(final, replaced);
  }
  await rename(partial, final);
  await syncFolder(dirname(final));
  await rm(replaced, { recursive: true, force: true });
}
