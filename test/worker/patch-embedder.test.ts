import { describe, expect, it } from 'vitest';
import { createKernelEmbedder } from '../../worker/kernel-embedder.ts';
import { createPatchEmbedder } from '../../worker/patch-embedder.ts';
import { createPatchSession } from '../../worker/patch-session.ts';
import { bytesOf, goldenPatches } from './golden-patches.ts';
import { bundle } from './test-app.ts';

describe('createPatchEmbedder', () => {
  it('takes the kernel unless PATCH_EMBED says otherwise', async () => {
    const [golden] = await goldenPatches();
    const patches = golden?.patches ?? { data: new Uint8Array(588), rows: 1, cols: 1 };
    const embed = async (env: object) => bytesOf(await createPatchEmbedder(env, bundle).embed(patches));
    const kernel = bytesOf(await createKernelEmbedder(bundle).embed(patches));
    const onnx = bytesOf(await createPatchSession(bundle).embed(patches));
    expect(kernel).not.toEqual(onnx);
    expect(await embed({})).toEqual(kernel);
    expect(await embed({ PATCH_EMBED: 'kernel' })).toEqual(kernel);
    expect(await embed({ PATCH_EMBED: 'onnxruntime' })).toEqual(onnx);
  });

  it('warms both before there are patches', async () => {
    await expect(createPatchEmbedder({}, bundle).warm()).resolves.toBeUndefined();
    await expect(createPatchEmbedder({ PATCH_EMBED: 'onnxruntime' }, bundle).warm()).resolves.toBeUndefined();
  });

  it('names the variable when it is wrong', () => {
    expect(() => createPatchEmbedder({ PATCH_EMBED: 'webgpu' }, bundle)).toThrow(
      /^Worker configuration: PATCH_EMBED: /,
    );
  });

  it('tries again after a bundle that could not be read', async () => {
    let failures = 1;
    const graph = async () => {
      if (failures-- > 0) {
        throw new Error('R2 is having a moment');
      }
      return bundle.graph();
    };
    const flaky = createPatchEmbedder({}, { graph });
    await expect(flaky.warm()).rejects.toThrow('moment');
    await expect(flaky.warm()).resolves.toBeUndefined();
  });
});
