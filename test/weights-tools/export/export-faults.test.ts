import { access, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { manifestSchema } from '../../../src/core/model/manifest.ts';
import { VISION } from '../../../src/core/model/tensor-names.ts';
import { copyOf, readTensors, tempFolder, type TestTensor, writeTensors } from '../../support/checkpoint-folder.ts';
import { runInProcess } from '../../support/run-cli.ts';
import { digestFile } from '../../../weights-tools/digest.ts';

const { merged } = inject('artifacts');
const VISION_FILE = 'vision/embedding.safetensors';

async function editManifest(folder: string, edit: (manifest: Record<string, unknown>) => void): Promise<void> {
  const path = join(folder, 'vora.json');
  const manifest = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
  edit(manifest);
  await writeFile(path, JSON.stringify(manifest));
}

/** Changes tensors and brings the manifest up to date with them, as a program that forgot the rest would. */
async function editTensors(
  folder: string,
  file: string,
  edit: (tensors: Map<string, TestTensor>) => void,
): Promise<void> {
  const tensors = await readTensors(join(folder, file));
  edit(tensors);
  await writeTensors(join(folder, file), tensors);
  const digest = await digestFile(join(folder, file));
  await editManifest(folder, (found) => {
    const manifest = manifestSchema.parse(found);
    const artifacts = manifest.artifacts.map((old) => (old.path === file ? { path: file, ...digest } : old));
    const sha256 = file === VISION_FILE ? digest.sha256 : manifest.vision?.sha256;
    Object.assign(found, { artifacts, vision: { ...manifest.vision, sha256 } });
  });
}

function fill(tensors: Map<string, TestTensor>, name: string, value: number): void {
  const tensor = tensors.get(name);
  const count = tensor?.shape.reduce((product, size) => product * size, 1) ?? 0;
  tensors.set(name, {
    dtype: 'F32',
    shape: tensor?.shape ?? [],
    bytes: new Uint8Array(new Float32Array(count).fill(value).buffer),
  });
}

interface Fault {
  name: string;
  damage: (folder: string) => Promise<unknown>;
  message: RegExp;
}

const FAULTS: Fault[] = [
  {
    name: 'no manifest',
    damage: (folder) => rm(join(folder, 'vora.json')),
    message: /found no vora\.json, expected a folder that vora merge has finished/,
  },
  {
    name: 'a manifest of another kind',
    damage: (folder) => editManifest(folder, (manifest) => Object.assign(manifest, { kind: 'edge' })),
    message: /vora\.json: kind: found edge, expected merged/,
  },
  {
    name: 'a config.json that was edited',
    damage: async (folder) => {
      const path = join(folder, 'config.json');
      await writeFile(path, (await readFile(path, 'utf8')).replace('"rms_norm_eps": 1e-06', '"rms_norm_eps": 1e-5'));
      await writeFile(path, (await readFile(path, 'utf8')).replace('"rms_norm_eps": 0.000001', '"rms_norm_eps": 1e-5'));
    },
    message: /config\.json: rmsNormEps: found 0\.00001, expected 0\.000001, as vora\.json says/,
  },
  {
    name: 'another vision embedding of the same size',
    damage: async (folder) => {
      const path = join(folder, VISION_FILE);
      const bytes = await readFile(path);
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
      await writeFile(path, bytes);
    },
    message: /embedding\.safetensors: found sha256 [0-9a-f]{64}, expected [0-9a-f]{64}, as vora\.json says/,
  },
  {
    name: 'a vision hash that is not the listed one',
    damage: (folder) =>
      editManifest(folder, (manifest) => {
        Object.assign(manifest, { vision: { ...manifestSchema.parse(manifest).vision, sha256: '0'.repeat(64) } });
      }),
    message:
      /vora\.json: artifacts: vision\/embedding\.safetensors: found sha256 [0-9a-f]{64}, expected vision\.sha256 0{64}/,
  },
  {
    name: 'a vision embedding cut short',
    damage: async (folder) => {
      const path = join(folder, VISION_FILE);
      await writeFile(path, (await readFile(path)).subarray(0, -1));
    },
    message: /embedding\.safetensors: found \d+ bytes, expected \d+, as vora\.json says/,
  },
  {
    name: 'a missing vision tensor',
    damage: (folder) => editTensors(folder, VISION_FILE, (tensors) => tensors.delete(VISION.convBias)),
    message: /vora\.json:\n  vision_embedding\.patchifier\.proj\.bias: found nothing, expected \[640\]/,
  },
  {
    name: 'a vision tensor too many',
    damage: (folder) => editTensors(folder, VISION_FILE, (tensors) => fill(tensors, 'vision_embedding.extra', 1)),
    message: /embedding\.safetensors: vision_embedding\.extra: found a tensor that no part of the model takes/,
  },
  {
    name: 'a vision tensor of another shape',
    damage: (folder) =>
      editTensors(folder, VISION_FILE, (tensors) => {
        tensors.set(VISION.normWeight, { dtype: 'F32', shape: [2], bytes: new Uint8Array(8) });
      }),
    message: /vision_embedding\.patchifier\.norm\.weight: found \[2\], expected \[640\]/,
  },
  {
    name: 'a vision tensor of whole numbers',
    damage: (folder) =>
      editTensors(folder, VISION_FILE, (tensors) => {
        tensors.set(VISION.normWeight, { dtype: 'I32', shape: [640], bytes: new Uint8Array(2560) });
      }),
    message: /norm\.weight: found I32, expected F32, BF16 or F16/,
  },
  {
    name: 'vision weights that f32 cannot hold once folded',
    damage: (folder) => editTensors(folder, VISION_FILE, (tensors) => fill(tensors, VISION.convWeight, 1e38)),
    message: /patch_embed\.onnx: folded embedding: found a relative error of .*, expected at most 0\.0001/,
  },
];

describe('vora export edge refuses', () => {
  it.each(FAULTS)('$name', async ({ damage, message }) => {
    const folder = await copyOf(merged);
    await damage(folder);
    const out = join(await tempFolder(), 'edge');
    const { code, stderr } = await runInProcess('export', 'edge', folder, '--out', out);
    expect(stderr).toMatch(message);
    expect(code).toBe(1);
    await expect(access(out)).rejects.toThrow('ENOENT');
  });
});

describe('vora export onnx refuses', () => {
  it.each([
    {
      name: 'a missing weight',
      damage: (folder: string) =>
        editTensors(folder, 'model.safetensors', (tensors) => tensors.delete('model.norm.weight')),
      options: [],
      message: /model\.norm\.weight: found nothing, expected \[128\]/,
    },
    {
      name: 'weights that the manifest does not list',
      damage: (folder: string) =>
        editManifest(folder, (manifest) => {
          const { artifacts } = manifestSchema.parse(manifest);
          Object.assign(manifest, { artifacts: artifacts.filter(({ path }) => path !== 'model.safetensors') });
        }),
      options: [],
      message: /model\.safetensors: found a file that vora\.json does not list/,
    },
    {
      name: 'a chat template that the manifest does not list',
      damage: (folder: string) => writeFile(join(folder, 'chat_template.jinja'), '{{ messages }}'),
      options: [],
      message: /chat_template\.jinja: found a file that vora\.json does not list/,
    },
    {
      name: 'weights that changed after the merge',
      damage: async (folder: string) => {
        const path = join(folder, 'model.safetensors');
        const bytes = await readFile(path);
        bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
        await writeFile(path, bytes);
      },
      options: [],
      message: /model\.safetensors: found sha256 .*, expected .*, as vora\.json says/,
    },
    {
      name: 'to quantize what is not finite',
      damage: (folder: string) =>
        editTensors(folder, 'model.safetensors', (tensors) => {
          fill(tensors, 'model.layers.1.mlp.up_proj.weight', Number.NaN);
        }),
      options: ['--weights', 'int4'],
      message: /tensor model\.layers\.1\.mlp\.up_proj\.weight: found NaN, expected what F32 can hold/,
    },
    {
      name: 'to store what is not finite',
      damage: (folder: string) =>
        editTensors(folder, 'model.safetensors', (tensors) => {
          fill(tensors, 'model.layers.1.mlp.up_proj.weight', Number.NaN);
        }),
      options: [],
      message: /tensor model\.layers\.1\.mlp\.up_proj\.weight: found NaN, expected what F32 can hold/,
    },
    {
      name: 'a memory bound under one row',
      damage: () => Promise.resolve(),
      options: ['--memory', '100'],
      message: /one row needs .* B, --memory allows 100 B/,
    },
  ])('$name', async ({ damage, options, message }) => {
    const folder = await copyOf(merged);
    await damage(folder);
    const out = join(await tempFolder(), 'onnx');
    const { code, stderr } = await runInProcess('export', 'onnx', folder, '--out', out, ...options);
    expect(stderr).toMatch(message);
    expect(code).toBe(1);
    await expect(access(out)).rejects.toThrow('ENOENT');
  });

  it.each([
    { option: ['--group-size', '48'], message: /Expected one of 16, 32, 64, 128/ },
    { option: ['--weights', 'int3'], message: /Allowed choices are f32, int8, int4/ },
    { option: ['--memory', 'much'], message: /Expected a size such as 512MB/ },
  ])('the option $option', async ({ option, message }) => {
    const { code, stderr } = await runInProcess('export', 'onnx', merged, '--out', 'unused', ...option);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});

describe('vora export onnx', () => {
  it('warns when it quantizes what was rounded already, and says what to do', async () => {
    const folder = await copyOf(merged);
    await editManifest(folder, (manifest) => Object.assign(manifest, { weights: 'bf16' }));
    const { code, stderr } = await runInProcess(
      'export',
      'onnx',
      folder,
      '--out',
      'unused',
      '--weights',
      'int8',
      '--dry-run',
    );
    expect(code).toBe(0);
    expect(stderr).toMatch(/warning: .* was rounded to bf16 already.*merge with --dtype f32/);
    const plain = await runInProcess('export', 'onnx', folder, '--out', 'unused', '--dry-run');
    expect(plain.stderr).toBe('');
  });

  it('prints its plan and writes nothing with --dry-run', async () => {
    const out = join(await tempFolder(), 'onnx');
    const { code, stdout } = await runInProcess(
      'export',
      'onnx',
      merged,
      '--out',
      out,
      '--weights',
      'int4',
      '--dry-run',
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/decoder\.onnx\.data: 52 tensors, 29 quantized, 878 kB/);
    expect(stdout).toMatch(/embed_tokens\.onnx\.data: 1 tensors, 1 quantized, 120 kB/);
    await expect(access(out)).rejects.toThrow('ENOENT');
  });
});
