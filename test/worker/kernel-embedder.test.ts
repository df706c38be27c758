import { describe, expect, it } from 'vitest';
import { PATCH_EMBED_ERROR_MAX } from '../../src/core/limits.ts';
import { createKernelEmbedder } from '../../worker/kernel-embedder.ts';
import { createPatchSession } from '../../worker/patch-session.ts';
import { bytesOf, errors, goldenPatches } from './golden-patches.ts';
import { bundle } from './test-app.ts';

const kernel = createKernelEmbedder(bundle);
const session = createPatchSession(bundle);
const golden = await goldenPatches();

describe('patch embedding on our kernel', () => {
  it('has goldens of both modes, on both sides of the position table', () => {
    const counts = golden.map(({ patches }) => patches.rows * patches.cols);
    expect(Math.min(...counts)).toBeLessThan(64);
    expect(Math.max(...counts)).toBeGreaterThan(64);
  });

  it.each(golden)('$name: within the limit of PyTorch and of ONNX Runtime', async ({ patches, expected }) => {
    const found = await kernel.embed(patches);
    expect(found.length).toBe(expected.length);
    const besidePyTorch = errors(found, expected);
    expect(besidePyTorch.relative).toBeLessThanOrEqual(PATCH_EMBED_ERROR_MAX);
    expect(besidePyTorch.worst).toBeLessThanOrEqual(PATCH_EMBED_ERROR_MAX);
    expect(errors(found, await session.embed(patches)).relative).toBeLessThanOrEqual(PATCH_EMBED_ERROR_MAX);
  });

  it('gives the same bytes again, at once and in another instance', async () => {
    const other = createKernelEmbedder(bundle);
    for (const { patches } of golden) {
      const [first, again] = await Promise.all([kernel.embed(patches), kernel.embed(patches)]);
      expect(bytesOf(again)).toEqual(bytesOf(first));
      expect(bytesOf(await other.embed(patches))).toEqual(bytesOf(first));
    }
  });
});
