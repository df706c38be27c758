import { appendFile, cp, open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { tempFolder } from '../../support/checkpoint-folder.ts';
import { runInProcess } from '../../support/run-cli.ts';

async function copyOfMerged(): Promise<string> {
  const folder = join(await tempFolder(), 'merged');
  await cp(inject('artifacts').merged, folder, { recursive: true });
  return folder;
}

describe('vora manifest check', () => {
  it('is content with what weights-tools wrote', async () => {
    for (const folder of Object.values(inject('artifacts'))) {
      const { code, stdout } = await runInProcess('manifest', 'check', folder);
      expect(code).toBe(0);
      expect(stdout).toMatch(/: (merged|onnx|edge), \d+ files, [\d.]+ .B: all as vora\.json says$/m);
    }
  });

  it('names every file that is missing, longer, changed or not listed', async () => {
    const folder = await copyOfMerged();
    await rm(join(folder, 'tokenizer.json'));
    await appendFile(join(folder, 'generation_config.json'), ' ');
    await writeFile(join(folder, 'extra.safetensors'), '');
    const config = await open(join(folder, 'config.json'), 'r+');
    await config.write('!!!', 10);
    await config.close();
    const { code, stderr } = await runInProcess('manifest', 'check', folder);
    expect(code).toBe(1);
    expect(stderr).toMatch(/tokenizer\.json: found no file, expected one of \d+ bytes/);
    expect(stderr).toMatch(/generation_config\.json: found (\d+) bytes, expected \d+/);
    expect(stderr).toMatch(/config\.json: found sha256 [0-9a-f]{64}, expected [0-9a-f]{64}/);
    expect(stderr).toContain('extra.safetensors: found a file that vora.json does not list');
    expect(stderr.trim().split('\n')).toHaveLength(4);
  });

  it('refuses a folder without a manifest', async () => {
    const { code, stderr } = await runInProcess('manifest', 'check', 'models/vora-random');
    expect(code).toBe(1);
    expect(stderr).toContain('models/vora-random: found no vora.json, expected a finished artifact folder');
  });
});
