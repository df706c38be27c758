import { describe, expect, it } from 'vitest';
import type { Patches } from '../../src/core/image/patchify.ts';
import { createPatchSession } from '../../worker/patch-session.ts';
import { bytesOf, errors, goldenPatches } from './golden-patches.ts';
import { bundle } from './test-app.ts';

const session = createPatchSession(bundle);
const golden = await goldenPatches();

describe('patch embedding on ONNX Runtime Web', () => {
  it('has goldens of both modes, on both sides of the position table', () => {
    expect(golden.length).toBeGreaterThanOrEqual(6);
    const counts = golden.map(({ patches }) => patches.rows * patches.cols);
    expect(Math.min(...counts)).toBeLessThan(64);
    expect(Math.max(...counts)).toBeGreaterThan(64);
  });

  it.each(golden)('$name: within 1e-4 of PyTorch, and the same bytes again', async ({ patches, expected }) => {
    const found = await session.embed(patches);
    expect(found.length).toBe(expected.length);
    const { relative, worst } = errors(found, expected);
    expect(relative).toBeLessThanOrEqual(1e-4);
    expect(worst).toBeLessThanOrEqual(1e-4);
    expect(bytesOf(await session.embed(patches))).toEqual(bytesOf(found));
  });

  it('runs one after another, and a rejected run does not poison the next', async () => {
    const [good] = golden;
    const patches = good?.patches ?? { data: new Uint8Array(588), rows: 1, cols: 1 };
    const bad: Patches = { data: new Uint8Array(3), rows: 1, cols: 1 };
    const alone = await session.embed(patches);
    const results = await Promise.allSettled([
      session.embed(patches),
      session.embed(bad),
      session.embed(patches),
      session.embed(bad),
      session.embed(patches),
    ]);
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    const values = results.filter((result) => result.status === 'fulfilled').map(({ value }) => bytesOf(value));
    expect(values).toEqual([bytesOf(alone), bytesOf(alone), bytesOf(alone)]);
  });

  it('gives another isolate’s session the same bytes', async () => {
    const patches = golden[0]?.patches ?? { data: new Uint8Array(588), rows: 1, cols: 1 };
    const other = createPatchSession(bundle);
    expect(bytesOf(await other.embed(patches))).toEqual(bytesOf(await session.embed(patches)));
  });

  it('tries again after a bundle that could not be read', async () => {
    let failures = 1;
    const flaky = createPatchSession({
      ...bundle,
      graph: async () => {
        if (failures-- > 0) {
          throw new Error('R2 is having a moment');
        }
        return bundle.graph();
      },
    });
    await expect(flaky.warm()).rejects.toThrow('moment');
    await expect(flaky.warm()).resolves.toBeUndefined();
  });

  it('leaves WebAssembly.instantiate as it was', async () => {
    const { instantiate } = WebAssembly;
    await createPatchSession(bundle).warm();
    expect(WebAssembly.instantiate).toBe(instantiate);
    await expect(WebAssembly.instantiate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))).rejects.toThrow(/disallowed/);
  });
});
