import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect } from 'vitest';
import { tempFolder } from './checkpoint-folder.ts';
import { runInProcess } from './run-cli.ts';

/** A busy machine may end a run before its kill; such a try does not count. */
const TRIES_PER_KILL = 4;
const SEED = 20250320;

export function startVora(...args: string[]): { child: ChildProcess; exit: Promise<unknown[]> } {
  const child = spawn(process.execPath, ['bin/vora.mjs', ...args]);
  return { child, exit: once(child, 'exit') };
}

export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await setTimeout(1);
  }
}

/**
 * Kills a command that makes a folder at random moments while it writes, and runs it again: a kill leaves no finished
 * folder or a whole one, and the rerun gives the same bytes as a run that nothing disturbed.
 *
 * @param files that the folder has
 * @returns how many kills landed midway, at most `kills`
 */
export async function killMidway(
  args: readonly string[],
  { kills, files }: { kills: number; files: number },
): Promise<number> {
  const reference = join(await tempFolder(), 'out');
  const first = startVora(...args, '--out', reference);
  await until(() => existsSync(`${reference}.partial`));
  const startMs = performance.now();
  await until(() => existsSync(reference));
  const windowMs = performance.now() - startMs;
  await first.exit;
  const expected = await contents(reference);
  expect(expected.size).toBe(files);

  const random = uniform(SEED);
  let midRun = 0;
  for (let tries = 0; midRun < kills && tries < TRIES_PER_KILL * kills; tries += 1) {
    const out = join(await tempFolder(), 'out');
    const { child, exit } = startVora(...args, '--out', out);
    await until(() => existsSync(`${out}.partial`));
    await setTimeout(random() * windowMs);
    child.kill('SIGKILL');
    await exit;

    // A kill after the rename finds the folder whole; before it there is only the partial one, and a rerun starts over.
    const isFinished = existsSync(out);
    expect(existsSync(`${out}.partial`)).toBe(!isFinished);
    midRun += isFinished ? 0 : 1;
    const rerun = isFinished ? null : await runInProcess(...args, '--out', out);
    expect(rerun?.code ?? 0).toBe(0);
    expect(await contents(out)).toEqual(expected);
    expect(existsSync(`${out}.partial`)).toBe(false);
  }
  return midRun;
}

async function contents(folder: string): Promise<Map<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const read = files.sort().map(async (file) => [file.slice(folder.length), await readFile(file, 'base64')] as const);
  return new Map(await Promise.all(read));
}

/** Park and Miller's generator: the moments are random, and the same in every run of this test. */
function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
