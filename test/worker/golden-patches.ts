import type { Patches } from '../../src/core/image/patchify.ts';
import { goldenImages, goldenTensor } from './repository-file.ts';

/** Patches of a golden image and what PyTorch makes of them in fp32. */
export interface GoldenPatches {
  name: string;
  patches: Patches;
  expected: Float32Array;
}

export async function goldenPatches(): Promise<GoldenPatches[]> {
  const found: GoldenPatches[] = [];
  for (const image of await goldenImages()) {
    const data = image.nativeError === undefined ? await goldenTensor(image, 'patches') : null;
    const embeddings = data === null ? null : await goldenTensor(image, 'embeddings');
    if (data !== null && embeddings !== null) {
      const [rows, cols] = image.grid;
      const name = `${image.name} ${image.mode}`;
      found.push({ name, patches: { data, rows, cols }, expected: new Float32Array(embeddings.buffer) });
    }
  }
  return found;
}

export function bytesOf(values: Float32Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(values.slice().buffer);
}

/** ‖found − expected‖ / ‖expected‖, and the largest single error beside the largest value. */
export function errors(found: Float32Array, expected: Float32Array): { relative: number; worst: number } {
  const norm = (values: Float32Array) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  const relative = norm(found.map((value, i) => value - (expected[i] ?? Number.NaN))) / norm(expected);
  const largest = Math.max(...expected.map(Math.abs));
  const worst = Math.max(...found.map((value, i) => Math.abs(value - (expected[i] ?? Number.NaN)))) / largest;
  return { relative, worst };
}
