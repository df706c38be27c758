import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const ROOT = resolve(import.meta.dirname, '../..');
const CHECKPOINT = 'models/vora-random';

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
  const artifacts: Artifacts = { merged: join(home, 'merged'), onnx: join(home, 'onnx'), edge: join(home, 'edge') };
  const keyFile = join(home, 'built-from.sha256');
  const key = await hashFolders(['bin', 'src/core', 'weights-tools', CHECKPOINT]);
  if (existsSync(keyFile) && (await readFile(keyFile, 'utf8')) === key) {
    return artifacts;
  }
  await rm(home, { recursive: true, force: true });
  await mkdir(home, { recursive: true });
  await vora('merge', CHECKPOINT, '--dtype', 'f32', '--out', artifacts.merged);
  await vora('export', 'onnx', artifacts.merged, '--out', artifacts.onnx);
  await vora('export', 'edge', artifacts.merged, '--out', artifacts.edge);
  await writeFile(keyFile, key);
  return artifacts;
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
