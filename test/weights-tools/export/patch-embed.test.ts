import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { readTensors, tempFolder } from '../../support/checkpoint-folder.ts';
import { runInProcess } from '../../support/run-cli.ts';
import { GOLDEN } from './golden-prompts.ts';

const { merged, onnx, edge } = inject('artifacts');

interface GoldenImage {
  name: string;
  mode: 'square' | 'native';
  grid: [rows: number, columns: number];
  patches: Uint8Array;
  embeddings: Float32Array;
}

async function readGoldenImages(): Promise<GoldenImage[]> {
  const listed = JSON.parse(await readFile(join(GOLDEN, 'images.json'), 'utf8')) as GoldenImage[];
  const files = new Set(await readdir(GOLDEN));
  const images: GoldenImage[] = [];
  for (const { name, mode, grid } of listed) {
    const file = `${name}.${mode}.safetensors`;
    const tensors = files.has(file) ? await readTensors(join(GOLDEN, file)) : new Map<string, never>();
    const patches = tensors.get('patches');
    const embeddings = tensors.get('embeddings');
    if (patches !== undefined && embeddings !== undefined) {
      images.push({
        name,
        mode,
        grid,
        patches: patches.bytes,
        embeddings: new Float32Array(embeddings.bytes.slice().buffer),
      });
    }
  }
  return images;
}

let session: InferenceSession;
let images: GoldenImage[];

beforeAll(async () => {
  session = await InferenceSession.create(join(edge, 'patch_embed.onnx'));
  images = await readGoldenImages();
});

async function embed({ patches, grid }: GoldenImage): Promise<Float32Array> {
  const [rows, columns] = grid;
  const { embeddings } = await session.run({
    patches: new Tensor('uint8', patches, [rows * columns, patches.length / (rows * columns)]),
    grid: new Tensor('int64', BigInt64Array.from(grid, BigInt), [2]),
  });
  return embeddings?.data as Float32Array;
}

describe('exported patch embedding', () => {
  it('equals the reference on every golden image, above and below the size of the position table', async () => {
    const sizes = images.map(({ grid: [rows, columns] }) => rows * columns);
    expect(Math.min(...sizes)).toBeLessThan(64);
    expect(Math.max(...sizes)).toBeGreaterThan(64);
    expect(new Set(images.map(({ mode }) => mode)).size).toBe(2);
    for (const image of images) {
      const found = await embed(image);
      let error = 0;
      let norm = 0;
      image.embeddings.forEach((value, i) => {
        error += ((found[i] ?? Number.NaN) - value) ** 2;
        norm += value ** 2;
      });
      expect(Math.sqrt(error / norm), `${image.name} ${image.mode}`).toBeLessThan(1e-5);
    }
  });

  it('gives equal bytes on every run', async () => {
    for (const image of images) {
      const first = await embed(image);
      expect(await embed(image)).toEqual(first);
    }
  });

  it('is the same file for the worker and for the endpoint, and from one export to the next', async () => {
    const out = join(await tempFolder(), 'edge');
    const { code, stdout } = await runInProcess('export', 'edge', merged, '--out', out);
    expect(code).toBe(0);
    expect(stdout).toMatch(/folded patch embedding: largest relative error \d\.\de-7, limit 1e-4/);
    expect(stdout).toMatch(/on the worker's integer kernel: \d\.\de-5, limit 1e-3$/m);
    const [first, second, third] = await Promise.all(
      [edge, onnx, out].map((folder) => readFile(join(folder, 'patch_embed.onnx'))),
    );
    expect(first?.equals(second ?? Buffer.alloc(0))).toBe(true);
    expect(first?.equals(third ?? Buffer.alloc(0))).toBe(true);
  });
});
