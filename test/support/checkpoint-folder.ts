import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Dtype } from '../../src/core/bytes/safetensors-dtype.ts';
import { layoutSafetensors } from '../../src/core/bytes/safetensors-layout.ts';
import { openCheckpoint } from '../../weights-tools/checkpoint.ts';

export interface TestTensor {
  dtype: Dtype;
  shape: readonly number[];
  bytes: Uint8Array;
}

export const VORA_RANDOM = 'models/vora-random';
export const VORA_AUX = 'test/fixtures/checkpoints/vora-aux';
export const VORA_MERGED = 'test/fixtures/checkpoints/vora-merged';
export const BASE = 'test/fixtures/checkpoints/base-and-adapter/base';
export const ADAPTER = 'test/fixtures/checkpoints/base-and-adapter/adapter';

/** A folder of its own for one test. */
export async function tempFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'vora-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A copy of a model folder that the test may damage. */
export async function copyOf(folder: string): Promise<string> {
  const copy = join(await tempFolder(), 'checkpoint');
  await cp(folder, copy, { recursive: true });
  return copy;
}

export async function readTensors(path: string): Promise<Map<string, TestTensor>> {
  const checkpoint = await openCheckpoint(path);
  try {
    const tensors = new Map<string, TestTensor>();
    for (const [name, { dtype, shape, start, end, source }] of checkpoint.tensors) {
      tensors.set(name, { dtype, shape, bytes: await source.slice(start, end) });
    }
    return tensors;
  } finally {
    await checkpoint.close();
  }
}

export async function writeTensors(path: string, tensors: ReadonlyMap<string, TestTensor>): Promise<void> {
  const layout = layoutSafetensors([...tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape })));
  const file = new Uint8Array(layout.byteLength);
  file.set(layout.header);
  for (const [name, { start }] of layout.tensors) {
    file.set(tensors.get(name)?.bytes ?? new Uint8Array(), start);
  }
  await writeFile(path, file);
}

/** A copy of the smallest VoRA checkpoint, its tensors changed by `change`. */
export async function changedCheckpoint(change: (tensors: Map<string, TestTensor>) => void): Promise<string> {
  const folder = await copyOf(VORA_AUX);
  const tensors = await readTensors(folder);
  change(tensors);
  await writeTensors(join(folder, 'model.safetensors'), tensors);
  return folder;
}
