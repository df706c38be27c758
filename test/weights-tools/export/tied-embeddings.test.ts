import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { manifestSchema } from '../../../src/core/model/manifest.ts';
import { EMBED_TOKENS, LM_HEAD } from '../../../src/core/model/tensor-names.ts';
import { bf16ToF32 } from '../../../src/core/bytes/float.ts';
import { copyOf, readTensors, tempFolder, writeTensors } from '../../support/checkpoint-folder.ts';
import { changeJson } from '../../support/refused-merge.ts';
import { runInProcess } from '../../support/run-cli.ts';
import { cosine } from './compare-logits.ts';
import { openOnnxModel } from './onnx-model.ts';

/** The demo model's base without its head: a model of text only, whose embeddings serve as head. */
async function tiedModel(): Promise<string> {
  const folder = await copyOf('models/vora-tiny/base');
  const tensors = await readTensors(folder);
  tensors.delete(LM_HEAD);
  await writeTensors(join(folder, 'model.safetensors'), tensors);
  await changeJson(join(folder, 'config.json'), (config) => Object.assign(config, { tie_word_embeddings: true }));
  return folder;
}

describe('a text model with tied embeddings', () => {
  it('is exported with one table of 8 bits for both graphs, which ONNX Runtime reads in both', async () => {
    const source = await tiedModel();
    const folder = await tempFolder();
    const [exact, small] = [join(folder, 'f32'), join(folder, 'int8')];
    for (const [out, weights] of [
      [exact, 'f32'],
      [small, 'int8'],
    ] as const) {
      expect(await runInProcess('export', 'onnx', source, '--weights', weights, '--out', out)).toMatchObject({
        code: 0,
      });
      expect((await readdir(out)).filter((name) => name.includes('.onnx'))).toEqual([
        'decoder.onnx',
        'decoder.onnx.data',
        'embed_tokens.onnx',
      ]);
    }
    const { llm, vision } = manifestSchema.parse(JSON.parse(await readFile(join(small, 'vora.json'), 'utf8')));
    expect(vision).toBeNull();
    const table = (await readTensors(source)).get(EMBED_TOKENS)?.bytes.slice() ?? new Uint8Array();
    const expected = bf16ToF32(new Uint16Array(table.buffer));
    const ids = [5, 61, 230, 17, 479];
    const models = await Promise.all([exact, small].map((out) => openOnnxModel(out, llm)));
    const [plain = new Float32Array(), quantized = new Float32Array()] = await Promise.all(
      models.map((model) => model.embed(ids)),
    );
    const rows = ids.flatMap((id) => [...expected.subarray(id * llm.hiddenSize, (id + 1) * llm.hiddenSize)]);
    expect([...plain]).toEqual(rows);
    expect(cosine(quantized, plain)).toBeGreaterThan(0.9999);
    expect([...quantized]).not.toEqual(rows);

    const mask = Uint8Array.from({ length: ids.length ** 2 }, (_, i) => (i % ids.length <= i / ids.length ? 1 : 0));
    const [reference = [], found = []] = await Promise.all(models.map((model) => model.forward(plain, mask, 0)));
    found.forEach((row, i) => expect(cosine(row, reference[i] ?? new Float32Array())).toBeGreaterThan(0.999));
  });
});
