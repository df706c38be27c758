import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const ROOT = resolve(import.meta.dirname, '../..');
const CHECKPOINT = 'models/vora-random';
const KEY_FILE = 'built-from.sha256';

export interface Artifacts {
  merged: string;
  onnx: string;
  edge: string;
}

/**
 * The artifacts every suite shares, made by the real CLI from the random checkpoint. Kept until the code that writes
 * them or the checkpoint changes, so that a test never passes on what older code wrote.
 */
export async function buildArtifacts(): Promise<Artifacts> {
  const home = join(ROOT, '.cache/artifacts/vora-random');
  const key = await hashFolders(['bin', 'src/core', 'weights-tools', CHECKPOINT]);
  if (!(await isBuiltFrom(home, key))) {
    const building = `${home}.${process.pid}`;
    await rm(building, { recursive: true, force: true });
    await mkdir(building, { recursive: true });
    const { merged, onnx, edge } = artifactsIn(building);
    await vora('merge', CHECKPOINT, '--dtype', 'f32', '--out', merged);
    await vora('export', 'onnx', merged, '--out', onnx);
    await vora('export', 'edge', merged, '--out', edge);
    await writeFile(join(building, KEY_FILE), key);
    await rm(home, { recursive: true, force: true });
    await rename(building, home);
  }
  return artifactsIn(home);
}

function artifactsIn(home: string): Artifacts {
  return { merged: join(home, 'merged'), onnx: join(home, 'onnx'), edge: join(home, 'edge') };
}

async function isBuiltFrom(home: string, key: string): Promise<boolean> {
  const file = join(home, KEY_FILE);
  return existsSync(file) && (await readFile(file, 'utf8')) === key;
}

/** Runs the CLI as a user would; rejects with its stderr when it fails. */
export async function vora(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)(process.execPath, [join(ROOT, 'bin/vora.mjs'), ...args], { cwd: ROOT });
}

async function hashFolders(folders: string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const folder of folders) {
    const names = await readdir(join(ROOT, folder), { recursive: true, withFileTypes: true });
    const paths = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    for (const path of paths.sort()) {
      hash.update(path).update(await readFile(path));
    }
  }
  return hash.digest('hex');
}
