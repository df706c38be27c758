import { env } from 'cloudflare:workers';
import { fromBytes } from '../../src/core/bytes/byte-source.ts';
import { parseSafetensorsHeader } from '../../src/core/bytes/safetensors.ts';

/** Bytes of a file; the path is absolute or relative to the repository. */
export async function repositoryFile(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const response = await env.FILES.fetch(`http://files/?path=${encodeURIComponent(path)}`);
  if (response.status !== 200) {
    throw new Error(`no file ${path}; artifacts are built by the global setup of vitest.config.ts`);
  }
  return new Uint8Array(await response.arrayBuffer());
}

export interface GoldenImage {
  name: string;
  file: string;
  mode: 'square' | 'native';
  width: number;
  height: number;
  grid: [number, number];
  exact: boolean;
  nativeError?: string;
}

export async function goldenImages(): Promise<GoldenImage[]> {
  const bytes = await repositoryFile('test/fixtures/golden/images.json');
  return JSON.parse(new TextDecoder().decode(bytes)) as GoldenImage[];
}

/** One tensor of a golden file, or null where the file has none of that name. */
export async function goldenTensor(image: GoldenImage, name: string): Promise<Uint8Array<ArrayBuffer> | null> {
  const path = `test/fixtures/golden/${image.name}.${image.mode}.safetensors`;
  const bytes = await repositoryFile(path);
  const tensor = (await parseSafetensorsHeader(fromBytes(path, bytes))).tensors.get(name);
  return tensor === undefined ? null : bytes.slice(tensor.start, tensor.end);
}
