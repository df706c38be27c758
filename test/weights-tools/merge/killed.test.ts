import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { tempFolder, VORA_RANDOM } from '../../support/checkpoint-folder.ts';
import { runInProcess } from '../../support/run-cli.ts';

/** A row or two at a time: thousands of reads, products and writes instead of a hundred. */
const SMALL_BLOCKS = ['--memory', '25KB'];
const KILLS = 10;
/** A busy machine may end a run before its kill; such a try does not count. */
const TRIES_MAX = 40;
const SEED = 20250320;

function startMerge(out: string): { child: ChildProcess; exit: Promise<unknown[]> } {
  const child = spawn(process.execPath, ['bin/vora.mjs', 'merge', VORA_RANDOM, '--out', out, ...SMALL_BLOCKS]);
  return { child, exit: once(child, 'exit') };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await setTimeout(1);
  }
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

it('a merge killed at ten random moments and run again gives identical bytes', { timeout: 240_000 }, async () => {
  const reference = join(await tempFolder(), 'merged');
  const first = startMerge(reference);
  await until(() => existsSync(`${reference}.partial`));
  const startMs = performance.now();
  await until(() => existsSync(reference));
  const windowMs = performance.now() - startMs;
  await first.exit;
  const expected = await contents(reference);
  expect(expected.size).toBe(9);

  const random = uniform(SEED);
  let midRun = 0;
  for (let tries = 0; midRun < KILLS && tries < TRIES_MAX; tries += 1) {
    const out = join(await tempFolder(), 'merged');
    const { child, exit } = startMerge(out);
    await until(() => existsSync(`${out}.partial`));
    await setTimeout(random() * windowMs);
    child.kill('SIGKILL');
    await exit;

    // A kill after the rename finds the folder whole; before it there is only the partial one, and a rerun starts over.
    const isFinished = existsSync(out);
    expect(existsSync(`${out}.partial`)).toBe(!isFinished);
    midRun += isFinished ? 0 : 1;
    const rerun = isFinished ? null : await runInProcess('merge', VORA_RANDOM, '--out', out, ...SMALL_BLOCKS);
    expect(rerun?.code ?? 0).toBe(0);
    expect(await contents(out)).toEqual(expected);
    expect(existsSync(`${out}.partial`)).toBe(false);
  }
  expect(midRun).toBe(KILLS);
});

it.each(['SIGINT', 'SIGTERM'] as const)('%s ends a merge with a clear word and exit code 3', async (signal) => {
  const out = join(await tempFolder(), 'merged');
  const { child, exit } = startMerge(out);
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  await until(() => existsSync(join(`${out}.partial`, 'model.safetensors')));
  child.kill(signal);
  expect((await exit)[0]).toBe(3);
  expect(stderr).toContain(`interrupted by ${signal}: the .partial folder is unfinished; the same command starts over`);
  expect(existsSync(out)).toBe(false);
});
