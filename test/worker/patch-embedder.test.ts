import { describe, expect, it } from 'vitest';
import type { PatchEmbed } from '../../worker/env.ts';
import { createKernelEmbedder } from '../../worker/kernel-embedder.ts';
import { createPatchEmbedder } from '../../worker/patch-embedder.ts';
import { createPatchSession } from '../../worker/patch-session.ts';
import { bytesOf, goldenPatches } from './golden-patches.ts';
import { bundle } from './test-app.ts';

describe('createPatchEmbedder', () => {
  it('runs on what it is told', async () => {
    const [golden] = await goldenPatches();
    const patches = golden?.patches ?? { data: new Uint8Array(588), rows: 1, cols: 1 };
    const embed = async (by: PatchEmbed) => bytesOf(await createPatchEmbedder(by, bundle).embed(patches));
    const kernel = bytesOf(await createKernelEmbedder(bundle).embed(patches));
    const onnx = bytesOf(await createPatchSession(bundle).embed(patches));
    expect(kernel).not.toEqual(onnx);
    expect(await embed('kernel')).toEqual(kernel);
    expect(await embed('onnxruntime')).toEqual(onnx);
  });

  it('warms both before there are patches', async () => {
    await expect(createPatchEmbedder('kernel', bundle).warm()).resolves.toBeUndefined();
    await expect(createPatchEmbedder('onnxruntime', bundle).warm()).resolves.toBeUndefined();
  });

  it('tries again after a bundle that could not be read', async () => {
    let failures = 1;
    const graph = async () => {
      if (failures-- > 0) {
        throw new Error('R2 is having a moment');
      }
      return bundle.graph();
    };
    const flaky = createPatchEmbedder('kernel', { graph });
    await expect(flaky.warm()).rejects.toThrow('moment');
    await expect(flaky.warm()).resolves.toBeUndefined();
  });
});
