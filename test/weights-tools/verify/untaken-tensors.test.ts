import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { manifestSchema } from '../../../src/core/model/manifest.ts';
import { llmShapes } from '../../../src/core/model/tensor-names.ts';
import { openCompressedWeights } from '../../../weights-tools/verify/compressed-weights.ts';
import { openGgufWeights } from '../../../weights-tools/verify/gguf-weights.ts';
import { tempFolder } from '../../support/checkpoint-folder.ts';
import { runInProcess } from '../../support/run-cli.ts';

const { merged } = inject('artifacts');

async function exported(...args: string[]): Promise<string> {
  const out = join(await tempFolder(), 'out');
  expect((await runInProcess('export', ...args, merged, '--out', out)).code).toBe(0);
  return out;
}

describe('an artifact with more tensors than its model takes', () => {
  it('is refused by the name of the first, compressed-tensors', async () => {
    const folder = await exported('vllm', '--group-size', '32');
    const { llm } = manifestSchema.parse(JSON.parse(await readFile(join(folder, 'vora.json'), 'utf8')));
    const { weights, close } = await openCompressedWeights(folder, llmShapes(llm));
    await close();
    expect(weights.size).toBe(llmShapes(llm).size);
    const fewer = llmShapes({ ...llm, layers: llm.layers - 1 });
    await expect(openCompressedWeights(folder, fewer)).rejects.toThrow(
      new RegExp(
        `tensor model\\.layers\\.${llm.layers - 1}\\.\\S+: found one that no part of the model takes, expected none`,
      ),
    );
  });

  it('is refused by the name of the first, GGUF', async () => {
    const folder = await exported('gguf', '--type', 'q8_0');
    const { llm } = manifestSchema.parse(JSON.parse(await readFile(join(folder, 'vora.json'), 'utf8')));
    const file = join(folder, (await readdir(folder)).find((name) => name.endsWith('.gguf')) ?? '');
    const { weights, close } = await openGgufWeights(file, llm);
    await close();
    expect(weights.size).toBe(llmShapes(llm).size);
    await expect(openGgufWeights(file, { ...llm, layers: llm.layers - 1 })).rejects.toThrow(
      new RegExp(`tensor blk\\.${llm.layers - 1}\\.\\S+: found one that no part of the model takes, expected none`),
    );
  });
});
