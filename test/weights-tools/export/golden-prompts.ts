import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readTensors } from '../../support/checkpoint-folder.ts';

export const GOLDEN = 'test/fixtures/golden';

/** A prompt of the reference, and what it makes of it; shapes in the README of the golden files. */
export interface GoldenPrompt {
  readonly name: string;
  /** L */
  readonly length: number;
  /** f32 [L, hidden] */
  readonly embeds: Float32Array;
  /** [L, L], 1 = may attend */
  readonly mask: Uint8Array;
  /** f32 [L, V] or [1, V]: the last rows. */
  readonly logits: Float32Array;
  readonly greedy: readonly number[];
}

export async function readGoldenPrompts(): Promise<GoldenPrompt[]> {
  const listed = JSON.parse(await readFile(join(GOLDEN, 'prompts.json'), 'utf8')) as {
    name: string;
    promptTokens: number;
    greedy: number[];
  }[];
  return Promise.all(
    listed.map(async ({ name, promptTokens, greedy }) => {
      const tensors = await readTensors(join(GOLDEN, `prompt-${name}.safetensors`));
      const bytes = (tensor: string): Uint8Array => tensors.get(tensor)?.bytes ?? new Uint8Array();
      const floats = (tensor: string): Float32Array => new Float32Array(bytes(tensor).slice().buffer);
      const logits = floats(tensors.has('all_logits') ? 'all_logits' : 'logits');
      return { name, length: promptTokens, embeds: floats('inputs_embeds'), mask: bytes('mask'), logits, greedy };
    }),
  );
}
