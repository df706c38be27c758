import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createRandom } from '../../../src/endpoint/random.ts';
import { ADAPTER, BASE, changedCheckpoint, tempFolder, VORA_RANDOM } from '../../support/checkpoint-folder.ts';
import { linearsOf, loraTensors, writeAdapter, writeBase } from '../../support/peft-folder.ts';
import { runInProcess } from '../../support/run-cli.ts';

/** `threadId` of a thread that is no more. */
const ENDED = -1;

/** The threads that the test starts from here on. */
function watchThreads(): Worker[] {
  const threads: Worker[] = [];
  const onWorker = (worker: Worker): void => void threads.push(worker);
  process.on('worker', onWorker);
  onTestFinished(() => void process.off('worker', onWorker));
  return threads;
}

/** Every file of a merged folder, and what the command said. */
async function merge(...args: string[]): Promise<{ files: Map<string, string>; stdout: string }> {
  const out = join(await tempFolder(), 'merged');
  const { code, stdout } = await runInProcess('merge', ...args, '--out', out);
  expect(code).toBe(0);
  const entries = await readdir(out, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const files = await Promise.all(
    paths.map(async (path) => [path.slice(out.length), await readFile(path, 'base64')] as const),
  );
  return { files: new Map(files), stdout };
}

async function twoAdapters(): Promise<string[]> {
  const next = createRandom(5);
  const base = await writeBase(next);
  const adapters = [
    await writeAdapter(loraTensors(next, linearsOf())),
    await writeAdapter(loraTensors(next, linearsOf())),
  ];
  return ['--base', base, '--trust-base', '--method', 'ties', ...adapters.flatMap((path) => ['--adapter', path])];
}

describe('a merge on several threads', () => {
  it.each([
    ['VoRA in small blocks', () => [VORA_RANDOM, '--memory', '139MB']],
    ['base and adapter apart', () => [ADAPTER, '--base', BASE, '--dtype', 'f32']],
    ['two adapters combined', twoAdapters],
  ])('gives the bytes and the report of one: %s', async (_name, source) => {
    const args = await source();
    const threads = watchThreads();
    const alone = await merge(...args, '--threads', '1');
    expect(threads).toHaveLength(0);
    const together = await merge(...args, '--threads', '3');
    expect(threads).toHaveLength(3);
    expect(together.files).toEqual(alone.files);
    expect(together.stdout).toMatch(/of buffers on 3 threads$/m);
  });

  it('ends them with a merge that is refused', async () => {
    const checkpoint = await changedCheckpoint((tensors) => {
      tensors.get('llm.model.norm.weight')?.bytes.set([0xc0, 0x7f]);
    });
    const threads = watchThreads();
    const out = join(await tempFolder(), 'merged');
    expect((await runInProcess('merge', checkpoint, '--out', out, '--dtype', 'f32', '--threads', '2')).code).toBe(1);
    expect(threads.map(({ threadId }) => threadId)).toEqual([ENDED, ENDED]);
  });

  it('is on fewer where the memory holds too few rows for so many', async () => {
    const { stdout } = await merge(VORA_RANDOM, '--memory', '100KB', '--threads', '3');
    expect(stdout).not.toContain('threads');
  });
});
