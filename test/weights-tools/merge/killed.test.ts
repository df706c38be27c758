import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { tempFolder, VORA_AUX, VORA_RANDOM } from '../../support/checkpoint-folder.ts';
import { killMidway, startVora, until } from '../../support/kill-midway.ts';

/** A few rows at a time: hundreds of reads, products and writes instead of fifty. */
const MERGE = ['merge', VORA_RANDOM, '--memory', '100KB'];
/** A merge that is quantized while it is read, of the smallest checkpoint. */
const MERGE_AND_QUANTIZE = ['export', 'vllm', VORA_AUX, '--group-size', '32', '--memory', '60KB'];

it.each(['1', '2'])(
  'a merge on %s threads killed at five random moments and run again gives identical bytes',
  { timeout: 240_000 },
  async (threads) => {
    expect(await killMidway([...MERGE, '--threads', threads], { kills: 5, files: 9 })).toBe(5);
  },
);

it(
  'merge and quantize in one, killed at twenty random moments, gives identical bytes',
  { timeout: 480_000 },
  async () => {
    expect(await killMidway(MERGE_AND_QUANTIZE, { kills: 20, files: 8 })).toBe(20);
  },
);

it.each([
  ['SIGINT', '1'],
  ['SIGTERM', '1'],
  ['SIGINT', '2'],
] as const)('%s ends a merge on %s threads with a clear word and exit code 3', async (signal, threads) => {
  const out = join(await tempFolder(), 'merged');
  const { child, exit } = startVora(...MERGE, '--threads', threads, '--out', out);
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
