import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createRandom } from '../../../src/endpoint/random.ts';
import { readTensors, tempFolder, type TestTensor } from '../../support/checkpoint-folder.ts';
import { randomTensor, type Tensors, writeAdapter, writeBase } from '../../support/peft-folder.ts';
import { runInProcess } from '../../support/run-cli.ts';

const EMBEDDING = 'base_model.model.model.embed_tokens';
const next = createRandom(5);

function lora(): Tensors {
  return new Map([
    [`${EMBEDDING}.lora_embedding_A`, randomTensor(next, [3, 23])],
    [`${EMBEDDING}.lora_embedding_B`, randomTensor(next, [12, 3])],
  ]);
}

function whole(): Tensors {
  return new Map([[`${EMBEDDING}.weight`, randomTensor(next, [23, 12])]]);
}

/** Real PEFT writes the head beside the embedding, which the Python tests have; a file may also leave it out. */
it.each<[string, boolean, () => Tensors, object]>([
  ['an embedding that is only stored beside the adapter', true, whole, {}],
  ['a trained embedding', false, whole, { modules_to_save: ['embed_tokens'] }],
  [
    'a trained embedding, tied on purpose',
    true,
    whole,
    { modules_to_save: ['embed_tokens'], ensure_weight_tying: true },
  ],
  ['an adapted embedding', false, lora, {}],
  ['an adapted embedding, tied on purpose', true, lora, { ensure_weight_tying: true }],
])('%s leaves embedding and head one weight: %s', async (_name, staysTied, tensors, config) => {
  const base = await writeBase(next, { tie_word_embeddings: true });
  const out = join(await tempFolder(), 'merged');
  const adapter = await writeAdapter(tensors(), config);
  expect((await runInProcess('merge', '--base', base, '--adapter', adapter, '--out', out)).code).toBe(0);
  const [before, after] = [await readTensors(base), await readTensors(out)];
  const bytesOf = (from: ReadonlyMap<string, TestTensor>, name: string): Buffer =>
    Buffer.from(from.get(name)?.bytes ?? []);
  const untouched = bytesOf(before, 'model.embed_tokens.weight');
  expect(bytesOf(after, 'model.embed_tokens.weight').equals(untouched)).toBe(false);
  expect(JSON.parse(await readFile(join(out, 'config.json'), 'utf8'))).toMatchObject({
    tie_word_embeddings: staysTied,
  });
  expect(after.has('lm_head.weight')).toBe(!staysTied);
  expect(staysTied || bytesOf(after, 'lm_head.weight').equals(untouched)).toBe(true);
});
