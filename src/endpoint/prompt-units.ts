import { createHash } from 'node:crypto';
import type { Prompt } from './sequence.ts';

/** What is only ever read as a whole: one token, or images side by side, which see each other in both directions. */
export interface PromptUnit {
  /** The token's id, or the hash of the images' embeddings. */
  readonly key: number | string;
  /** Positions. */
  readonly length: number;
}

/** A prompt and tokens that follow it, by their content: equal units in equal order have equal keys and values. */
export function promptUnits(
  { segments, images }: Pick<Prompt, 'segments' | 'images'>,
  tokens: readonly number[],
  hiddenSize: number,
): PromptUnit[] {
  const units: PromptUnit[] = [];
  for (const segment of [...segments, { kind: 'text', ids: tokens } as const]) {
    if (segment.kind === 'text') {
      units.push(...segment.ids.map((key) => ({ key, length: 1 })));
      continue;
    }
    const embeddings = images[segment.index] ?? new Float32Array();
    const image = { key: digestOf(embeddings), length: embeddings.length / hiddenSize };
    const last = units.at(-1);
    if (typeof last?.key === 'string') {
      units[units.length - 1] = { key: `${last.key} ${image.key}`, length: last.length + image.length };
    } else {
      units.push(image);
    }
  }
  return units;
}

/** Of images that are held between requests, each is hashed once. */
const digests = new WeakMap<Float32Array, string>();

function digestOf(embeddings: Float32Array): string {
  const known = digests.get(embeddings);
  if (known !== undefined) {
    return known;
  }
  const bytes = new Uint8Array(embeddings.buffer, embeddings.byteOffset, embeddings.byteLength);
  const digest = createHash('sha256').update(bytes).digest('hex');
  digests.set(embeddings, digest);
  return digest;
}
