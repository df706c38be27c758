import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, inject, it } from 'vitest';
import { createGraph } from '../../../weights-tools/onnx/graph-builder.ts';
import { layoutExternalData } from '../../../weights-tools/onnx/external-data.ts';
import { linear } from '../../../weights-tools/onnx/linear-node.ts';
import { codesOf, scalesOf, zerosOf } from '../../../weights-tools/onnx/stored-weight.ts';
import { type BlockEncoding, quantizeMatMulNBits } from '../../../weights-tools/quantize/matmul-nbits.ts';
import { openOnnxWeights } from '../../../weights-tools/verify/onnx-weights.ts';
import { tempFolder } from '../../support/checkpoint-folder.ts';
import { runInProcess } from '../../support/run-cli.ts';

const NAME = 'model.layers.0.mlp.up_proj.weight';
const ROWS = 7;

/** One MatMulNBits with a weight of its own, as a model file with its data beside it. */
async function writeLinear(folder: string, columns: number, encoding: BlockEncoding): Promise<string> {
  const weight = { name: NAME, shape: [ROWS, columns], encoding };
  const graph = createGraph('linear', (builder) => {
    const x = builder.input('x', 'f32', ['rows', columns]);
    builder.output(linear(builder, x, weight, { name: 'y' }), 'f32', ['rows', ROWS]);
  });
  const values = Float32Array.from({ length: ROWS * columns }, (_, i) => Math.sin(i * 1.7) + 0.3);
  const { codes, scales, zeros } = quantizeMatMulNBits(values, columns, encoding);
  const layout = layoutExternalData('linear.data', graph.externals);
  const data = new Uint8Array(layout.byteLength);
  data.set(codes, layout.places.get(codesOf(NAME))?.start);
  data.set(new Uint8Array(scales.buffer), layout.places.get(scalesOf(NAME))?.start);
  data.set(zeros ?? [], layout.places.get(zerosOf(NAME))?.start ?? 0);
  const path = join(folder, 'linear.onnx');
  await writeFile(path, graph.encode(layout));
  await writeFile(join(folder, 'linear.data'), data);
  return path;
}

/** What ONNX Runtime multiplies with: the products with unit vectors. */
async function weightInOnnxRuntime(path: string, columns: number): Promise<Float32Array> {
  const session = await InferenceSession.create(path, { logSeverityLevel: 3 });
  const units = Float32Array.from({ length: columns * columns }, (_, i) => (i % (columns + 1) === 0 ? 1 : 0));
  const { y } = await session.run({ x: new Tensor('float32', units, [columns, columns]) });
  const products = y?.data as Float32Array;
  return Float32Array.from(
    { length: ROWS * columns },
    (_, i) => products[(i % columns) * ROWS + Math.floor(i / columns)] ?? 0,
  );
}

describe('weights of a graph', () => {
  it.each([
    { columns: 64, bits: 4, groupSize: 32, symmetric: true },
    { columns: 72, bits: 4, groupSize: 16, symmetric: true },
    { columns: 72, bits: 4, groupSize: 16, symmetric: false },
    { columns: 48, bits: 8, groupSize: 32, symmetric: true },
    { columns: 48, bits: 8, groupSize: 16, symmetric: false },
  ] as const)('are those that ONNX Runtime multiplies with: %o', async ({ columns, ...encoding }) => {
    const path = await writeLinear(await tempFolder(), columns, { ...encoding, clip: 'absmax' });
    const expected = await weightInOnnxRuntime(path, columns);
    const { weights, close } = await openOnnxWeights([path], new Map([[NAME, [ROWS, columns]]]));
    const rows = new Float32Array(3 * columns);
    for (const first of [0, 2, 4]) {
      await weights.get(NAME)?.read(first, rows);
      rows.forEach((value, i) => {
        expect(value).toBeCloseTo(expected[first * columns + i] ?? Number.NaN, 5);
      });
    }
    await close();
  });

  it('are the rows that GatherBlockQuantized gives', async () => {
    const out = join(await tempFolder(), 'int8');
    await runInProcess('export', 'onnx', inject('artifacts').merged, '--weights', 'int8', '--out', out);
    const path = join(out, 'embed_tokens.onnx');
    const name = 'model.embed_tokens.weight';
    const { weights, close } = await openOnnxWeights([path], new Map([[name, [832, 128]]]));
    const found = new Float32Array(832 * 128);
    await weights.get(name)?.read(0, found);
    await close();
    const session = await InferenceSession.create(path, { logSeverityLevel: 3 });
    const ids = BigInt64Array.from({ length: 832 }, (_, i) => BigInt(i));
    const { inputs_embeds: expected } = await session.run({ input_ids: new Tensor('int64', ids, [1, 832]) });
    expect(found).toEqual(expected?.data);
  });

  it('are refused when their parts do not fit', async () => {
    const folder = await tempFolder();
    const path = await writeLinear(folder, 64, { bits: 4, groupSize: 32, symmetric: true, clip: 'absmax' });
    const open = (shape: number[]): Promise<unknown> => openOnnxWeights([path], new Map([[NAME, shape]]));
    await expect(open([ROWS, 96])).rejects.toThrow(
      /initializer "model.layers.0.mlp.up_proj.weight.codes": found bytes/,
    );
    await expect(open([ROWS + 1, 64])).rejects.toThrow(/initializer/);
    await writeFile(join(folder, 'linear.data'), new Uint8Array(10));
    await expect(open([ROWS, 64])).rejects.toThrow(/found bytes 0 to 224 of 10, expected 224 bytes in the file/);
  });
});
