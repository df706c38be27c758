import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect, it } from 'vitest';
import { syntheticPatches, writeEmbedBenchGraphs } from '../../bench/embed-graphs.ts';
import { tempFolder } from '../support/checkpoint-folder.ts';

it('the benchmark compares two graphs of one function', async () => {
  const shape = { patchLength: 48, visionHidden: 64, hidden: 40, positions: 16 };
  const { folded, unfolded } = await writeEmbedBenchGraphs(await tempFolder(), shape);
  const feeds = {
    patches: new Tensor('uint8', syntheticPatches(12, shape.patchLength), [12, shape.patchLength]),
    grid: new Tensor('int64', BigInt64Array.of(3n, 4n), [2]),
  };
  const [first, second] = await Promise.all(
    [folded, unfolded].map(async (path) => (await (await InferenceSession.create(path)).run(feeds))['embeddings']),
  );
  const [a, b] = [first, second].map((tensor) => tensor?.data as Float32Array);
  expect(a).toHaveLength(12 * shape.hidden);
  a?.forEach((value, i) => {
    expect(value).toBeCloseTo(b?.[i] ?? Number.NaN, 4);
  });
});
