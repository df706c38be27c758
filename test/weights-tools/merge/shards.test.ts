import { rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { copyOf, VORA_AUX, VORA_RANDOM } from '../../support/checkpoint-folder.ts';
import { changeJson, refused } from '../../support/refused-merge.ts';

describe('shards', () => {
  const index = 'model.safetensors.index.json';
  const name = 'llm.model.norm.weight';

  async function withEntry(file: unknown): Promise<string> {
    const checkpoint = await copyOf(VORA_RANDOM);
    await changeJson(join(checkpoint, index), (json) => Object.assign(Object(json['weight_map']), { [name]: file }));
    return refused(1, checkpoint);
  }

  it.each(['../model.safetensors', '/etc/passwd', 'a/b.safetensors', '.safetensors', 'x.bin', '..', '', 7, null])(
    'a weight_map that leads to %j',
    async (file) => {
      expect(await withEntry(file)).toContain(
        `weight_map "${name}": found ${JSON.stringify(file)}, expected the plain name`,
      );
    },
  );

  it('a tensor in another shard than the index says', async () => {
    expect(await withEntry('model-00001-of-00004.safetensors')).toMatch(
      /found the tensor in model-0000\d.*expected it in/,
    );
  });

  it('a tensor in no shard', async () => {
    const checkpoint = await copyOf(VORA_RANDOM);
    const add = { 'llm.more': 'model-00001-of-00004.safetensors' };
    await changeJson(join(checkpoint, index), (json) => Object.assign(Object(json['weight_map']), add));
    expect(await refused(1, checkpoint)).toContain('weight_map "llm.more": found the tensor in no shard');
  });

  it('a tensor that the index does not list', async () => {
    const checkpoint = await copyOf(VORA_RANDOM);
    await changeJson(join(checkpoint, index), (json) => Reflect.deleteProperty(Object(json['weight_map']), name));
    expect(await refused(1, checkpoint)).toContain(`tensor "${name}": found no entry in the index`);
  });

  it('a shard missing', async () => {
    const checkpoint = await copyOf(VORA_RANDOM);
    await rm(join(checkpoint, 'model-00002-of-00004.safetensors'));
    expect(await refused(1, checkpoint)).toContain('model-00002-of-00004.safetensors: found nothing');
  });

  it('a shard that is a link to nothing, or to no file', async () => {
    const checkpoint = await copyOf(VORA_RANDOM);
    const shard = join(checkpoint, 'model-00002-of-00004.safetensors');
    await rm(shard);
    await symlink('elsewhere', shard);
    expect(await refused(1, checkpoint)).toContain('model-00002-of-00004.safetensors: found nothing');
    await rm(shard);
    await symlink('/dev/zero', shard);
    expect(await refused(1, checkpoint)).toContain('model-00002-of-00004.safetensors: found no regular file');
  });

  it('one file and an index', async () => {
    const checkpoint = await copyOf(VORA_AUX);
    await writeFile(join(checkpoint, index), '{}');
    expect(await refused(1, checkpoint)).toContain('found both model.safetensors and model.safetensors.index.json');
  });
});
