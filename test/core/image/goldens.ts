import { readFileSync } from 'node:fs';
import { fromBytes } from '../../../src/core/bytes/byte-source.ts';
import { parseSafetensorsHeader } from '../../../src/core/bytes/safetensors.ts';
import type { ImageVision } from '../../../src/core/image/resize-for-detail.ts';

const FOLDER = new URL('../../fixtures/golden/', import.meta.url);

/** One picture in one mode, as python/reference wrote it; the fields are explained in the folder's README. */
export interface GoldenImage {
  name: string;
  file: string;
  format: 'jpeg' | 'png' | 'webp';
  mode: 'square' | 'native';
  width: number;
  height: number;
  grid: [rows: number, columns: number];
  pixelsSha256: string;
  pixels448Sha256?: string;
  nativeError?: string;
}

export interface GoldenSize {
  height: number;
  width: number;
  minPixels: number;
  maxPixels: number;
  resized?: [height: number, width: number];
  error?: string;
}

/** The vision facts of models/vora-random. */
export function visionOf(mode: GoldenImage['mode'], imageSize = 112): ImageVision {
  return {
    imageSize,
    patchSize: 14,
    resize: mode === 'square' ? { mode } : { mode, minPixels: 56 * 56, maxPixels: 14 * 14 * 144 },
  };
}

export const goldenImages = readJson('images.json') as GoldenImage[];
export const goldenSizes = readJson('smart-resize.json') as GoldenSize[];

export function readGoldenImage(file: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(file, FOLDER)));
}

/** One u8 tensor of a golden: `pixels`, or `patches` where it has them. */
export async function goldenTensor(golden: GoldenImage, name: 'pixels' | 'patches'): Promise<Uint8Array> {
  const file = `${golden.name}.${golden.mode}.safetensors`;
  const source = fromBytes(file, readGoldenImage(file));
  const info = (await parseSafetensorsHeader(source)).tensors.get(name);
  if (info === undefined) {
    throw new Error(`${file} has no ${name}`);
  }
  return source.slice(info.start, info.end);
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8'));
}
