import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fromBytes } from '../../src/core/bytes/byte-source.ts';
import { parseSafetensorsHeader } from '../../src/core/bytes/safetensors.ts';

const GOLDEN = resolve(import.meta.dirname, '../fixtures/golden');

export type GoldenPart =
  | { type: 'text'; text: string }
  | { type: 'image_url'; image_url: { url: string } }
  | { type: 'video'; video: string[] };

/** An entry of prompts.json: what python/reference computes for a conversation. */
export interface GoldenPrompt {
  name: string;
  mode: 'square' | 'native';
  messages: { role: 'system' | 'user' | 'assistant'; content: string | GoldenPart[] }[];
  rendered: string;
  /** -200 once for each image. */
  ids: number[];
  imageRuns: [start: number, length: number][];
  promptTokens: number;
  greedy: number[];
  text: string;
  causalGreedy: number[];
}

export const goldenPrompts = JSON.parse(readFileSync(join(GOLDEN, 'prompts.json'), 'utf8')) as GoldenPrompt[];

/** Images of a part, in order. */
export function imagesOfPart(part: GoldenPart): string[] {
  switch (part.type) {
    case 'text':
      return [];
    case 'image_url':
      return [part.image_url.url];
    case 'video':
      return part.video;
  }
}

/** Bytes of an image that a golden prompt names. */
export function goldenImage(url: string): Buffer {
  return readFileSync(join(GOLDEN, url));
}

const goldenImages = JSON.parse(readFileSync(join(GOLDEN, 'images.json'), 'utf8')) as {
  name: string;
  file: string;
  mode: string;
  grid: [rows: number, cols: number];
}[];

/** The file with the tensors of an image in one mode, and its grid of patches. */
export function goldenTensorsOf(url: string, mode: string): { file: string; rows: number; cols: number } {
  const image = goldenImages.find((entry) => url.endsWith(entry.file) && entry.mode === mode);
  if (image === undefined) {
    throw new Error(`no golden of ${url} in ${mode} mode`);
  }
  const [rows, cols] = image.grid;
  return { file: `${image.name}.${mode}.safetensors`, rows, cols };
}

/** The tensors of one golden file; f32 and u8 only. */
export async function goldenTensors(file: string): Promise<Record<string, Float32Array | Uint8Array>> {
  const bytes = readFileSync(join(GOLDEN, file));
  const { tensors } = await parseSafetensorsHeader(fromBytes(file, bytes));
  return Object.fromEntries(
    [...tensors].map(([name, { dtype, start, end }]) => {
      const data = Uint8Array.from(bytes.subarray(start, end));
      return [name, dtype === 'F32' ? new Float32Array(data.buffer) : data];
    }),
  );
}
