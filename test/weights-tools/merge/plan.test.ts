import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { beginArtifactFolder } from '../../../weights-tools/artifact-folder.ts';
import { type MergeModel, type MergeWeight, openMergeModel } from '../../../weights-tools/merge/merge-model.ts';
import { type MergePlan, planMerge, type PlanOptions } from '../../../weights-tools/merge/plan.ts';
import { runMerge } from '../../../weights-tools/merge/run.ts';
import { shardIndex } from '../../../weights-tools/safetensors-shards.ts';
import { mergeRequest } from '../../../weights-tools/commands/source-options.ts';
import { createWatermark } from '../../../weights-tools/watermark.ts';
import { readTensors, tempFolder, VORA_RANDOM } from '../../support/checkpoint-folder.ts';

async function openModel(): Promise<MergeModel> {
  const model = await openMergeModel(mergeRequest(VORA_RANDOM, { adapter: [], method: 'exact' }));
  onTestFinished(() => model.close());
  return model;
}

async function plan(options: Partial<PlanOptions>): Promise<MergePlan> {
  return planMerge(await openModel(), { weights: 'BF16', memoryBytes: 1e9, threads: 1, ...options });
}

async function run(merge: MergePlan): Promise<string> {
  const folder = await beginArtifactFolder(join(await tempFolder(), 'merged'));
  const progress = { advance() {} };
  const { signal } = new AbortController();
  await runMerge(merge, await openModel(), folder, { progress, signal, written: createWatermark(signal) });
  if (merge.shardOf.size > 0) {
    await folder.write('model.safetensors.index.json', shardIndex(merge.shardOf, merge.llmBytes));
  }
  return folder.path;
}

describe('shards', () => {
  it('hold the same tensors as one file, each at most as large as asked', async () => {
    const shardBytes = 500_000;
    const sharded = await plan({ shardBytes });
    const names = sharded.files.map(({ path }) => path);
    expect(names.slice(0, 2)).toEqual(['model-00001-of-00004.safetensors', 'model-00002-of-00004.safetensors']);
    expect(names.at(-1)).toBe('vision/embedding.safetensors');
    for (const { layout } of sharded.files.slice(0, -1)) {
      expect(layout.byteLength - layout.header.byteLength).toBeLessThanOrEqual(shardBytes);
    }
    expect(await readTensors(await run(sharded))).toEqual(await readTensors(await run(await plan({}))));
  });

  it('hold at least one tensor, however large', async () => {
    const { files, shardOf } = await plan({ shardBytes: 1 });
    expect(files).toHaveLength(51 + 1);
    expect(new Set(shardOf.values()).size).toBe(51);
  });

  it('come with an index of every tensor and their bytes, headers aside', async () => {
    const sharded = await plan({ shardBytes: 500_000 });
    const index = JSON.parse(shardIndex(sharded.shardOf, sharded.llmBytes)) as {
      metadata: { total_size: number };
      weight_map: object;
    };
    expect(index.metadata.total_size).toBe(1_609_984);
    expect(Object.keys(index.weight_map)).toHaveLength(51);
  });
});

describe('memory', () => {
  it.each([29_000, 40_000, 100_000, 1_000_000])('of %i bytes bounds the buffers and is used', async (memoryBytes) => {
    const { peakBytes, bufferBytes, files } = await plan({ memoryBytes });
    expect(peakBytes).toBeLessThanOrEqual(memoryBytes);
    expect(bufferBytes).toBeLessThan(peakBytes);
    expect(peakBytes).toBeGreaterThan(Math.min(memoryBytes, 650_000) * 0.8);
    for (const { rows, rowsPerBlock } of files.flatMap(({ jobs }) => jobs)) {
      expect(rowsPerBlock).toBeGreaterThanOrEqual(1);
      expect(rowsPerBlock).toBeLessThanOrEqual(rows);
    }
  });

  it('is not all taken for a copy, however large tensors are', async () => {
    const model = await openModel();
    const grow = (weight: MergeWeight): MergeWeight => {
      const shape = [152_064, 3584];
      return { ...weight, rows: { ...weight.rows, shape }, tensor: { ...weight.tensor, shape } };
    };
    const embedTokens = [...model.weights].slice(0, 1).map(([name, weight]) => [name, grow(weight)] as const);
    const large = { ...model, weights: new Map(embedTokens) };
    const { bufferBytes } = planMerge(large, { weights: 'F32', memoryBytes: 64e9, threads: 1 });
    expect(bufferBytes).toBeLessThan(64 * 1024 * 1024);
  });
});
