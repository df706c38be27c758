import { cp, open } from 'node:fs/promises';
import { join } from 'node:path';
import { BadInput } from '../../weights-tools/bad-input.ts';
import { openCheckpoint, SINGLE_FILE } from '../../weights-tools/checkpoint.ts';

/**
 * Copies an adapter with every B zero: W + 0·A is W, so that what is merged with it is the base, by the same way as the model.
 *
 * @throws BadInput when there is no B.
 */
export async function copyWithoutLora(adapter: string, out: string): Promise<void> {
  await cp(adapter, out, { recursive: true });
  const path = join(out, SINGLE_FILE);
  const checkpoint = await openCheckpoint(path);
  const halves = [...checkpoint.tensors].filter(([name]) => name.endsWith('.lora_B.weight'));
  await checkpoint.close();
  if (halves.length === 0) {
    throw new BadInput(`${path}: found no lora_B, expected an adapter`);
  }
  const file = await open(path, 'r+');
  try {
    for (const [, { start, end }] of halves) {
      await file.write(new Uint8Array(end - start), 0, end - start, start);
    }
  } finally {
    await file.close();
  }
}
