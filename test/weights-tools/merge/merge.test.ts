import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bf16ToF32 } from '../../../src/core/bytes/float.ts';
import { manifestSchema } from '../../../src/core/model/manifest.ts';
import {
  ADAPTER,
  BASE,
  copyOf,
  readTensors,
  tempFolder,
  type TestTensor,
  VORA_AUX,
  VORA_MERGED,
  VORA_RANDOM,
} from '../../support/checkpoint-folder.ts';
import { runInProcess } from '../../support/run-cli.ts';

async function merge(...args: string[]): Promise<string> {
  const out = join(await tempFolder(), 'merged');
  const { code, stderr } = await runInProcess('merge', ...args, '--out', out);
  // A slow machine's progress goes there as well.
  expect(stderr).not.toContain('warning');
  expect(code).toBe(0);
  return out;
}

async function readManifest(folder: string) {
  return manifestSchema.parse(JSON.parse(await readFile(join(folder, 'vora.json'), 'utf8')));
}

function halves({ bytes }: TestTensor): Uint16Array {
  return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
}

function floats(tensor: TestTensor): Float32Array {
  return tensor.dtype === 'BF16'
    ? bf16ToF32(halves(tensor))
    : new Float32Array(tensor.bytes.buffer, tensor.bytes.byteOffset, tensor.bytes.byteLength / 4);
}

function need<T>(map: ReadonlyMap<string, T>, name: string): T {
  const value = map.get(name);
  if (value === undefined) {
    throw new Error(`no ${name}`);
  }
  return value;
}

/** Where bf16 values stand on the number line, so that neighbours differ by one. */
function bf16Steps(half: number): number {
  return half & 0x8000 ? -(half & 0x7fff) : half;
}

describe('merge to bf16', () => {
  it("equals torch's f32-accumulated merge in 99.9% of values, the rest within one step", async () => {
    const golden = await readTensors(VORA_MERGED);
    const found = await readTensors(await merge(VORA_RANDOM));
    let values = 0;
    let different = 0;
    let farthest = 0;
    expect(found.size).toBe([...golden.keys()].filter((name) => name.startsWith('llm.')).length);
    const merged = [...found].filter(([name]) => /layers\.[012]\..*_proj\.weight$/.test(name));
    expect(merged).toHaveLength(21);
    for (const [name, tensor] of merged) {
      const expected = halves(need(golden, `llm.${name}`));
      for (const [index, half] of halves(tensor).entries()) {
        const steps = Math.abs(bf16Steps(half) - bf16Steps(expected[index] ?? 0));
        values += 1;
        different += steps === 0 ? 0 : 1;
        farthest = Math.max(farthest, steps);
      }
    }
    console.info(`merge: ${different} of ${values} bf16 values differ from torch's`);
    expect(different / values).toBeLessThanOrEqual(0.001);
    expect(farthest).toBeLessThanOrEqual(1);
  });

  it('gives the same bytes from base and adapters apart', async () => {
    const whole = await merge(VORA_RANDOM);
    const apart = await merge(ADAPTER, '--base', BASE);
    for (const file of ['model.safetensors', 'vision/embedding.safetensors', 'config.json', 'tokenizer.json']) {
      expect((await readFile(join(apart, file))).equals(await readFile(join(whole, file)))).toBe(true);
    }
    const { provenance } = await readManifest(apart);
    expect(provenance.inputs.map(({ path }) => path)).toContain('base/model-00002-of-00002.safetensors');
  });

  it('gives the same values in small blocks, up to the order of sums', async () => {
    const whole = await readTensors(await merge(VORA_RANDOM));
    const small = await readTensors(await merge(VORA_RANDOM, '--memory', '30KB'));
    for (const [name, tensor] of small) {
      const expected = halves(need(whole, name));
      const steps = halves(tensor).map((half, index) => Math.abs(bf16Steps(half) - bf16Steps(expected[index] ?? 0)));
      expect(Math.max(...steps)).toBeLessThanOrEqual(1);
    }
  });

  it('passes a merged checkpoint through unchanged', async () => {
    const golden = await readTensors(VORA_MERGED);
    const folder = await merge(VORA_MERGED);
    for (const [name, { bytes }] of await readTensors(folder)) {
      expect(Buffer.compare(bytes, need(golden, `llm.${name}`).bytes)).toBe(0);
    }
    for (const [name, { bytes }] of await readTensors(join(folder, 'vision/embedding.safetensors'))) {
      expect(Buffer.compare(bytes, need(golden, name).bytes)).toBe(0);
    }
  });
});

it.each(['f32', 'f16'] as const)('merge to %s equals W + B·A summed in f64', async (dtype) => {
  const source = await readTensors(VORA_AUX);
  const found = await readTensors(await merge(VORA_AUX, '--dtype', dtype));
  let farthest = 0;
  for (const module of ['self_attn.k_proj', 'mlp.down_proj']) {
    const name = `model.layers.0.${module}`;
    const [w, a, b] = ['weight', 'lora_A.weight', 'lora_B.weight'].map((part) => need(source, `llm.${name}.${part}`));
    const merged = need(found, `${name}.weight`);
    if (w === undefined || a === undefined || b === undefined) {
      throw new Error(name);
    }
    const [rows = 0, columns = 0] = w.shape;
    const rank = a.shape[0] ?? 0;
    const [wf, af, bf] = [floats(w), floats(a), floats(b)];
    const values = dtype === 'f32' ? floats(merged) : Float32Array.from(new Float16Array(merged.bytes.buffer));
    for (let row = 0; row < rows; row += 1) {
      for (let column = 0; column < columns; column += 1) {
        let sum = wf[row * columns + column] ?? 0;
        let magnitude = Math.abs(sum);
        for (let k = 0; k < rank; k += 1) {
          const term = (bf[row * rank + k] ?? 0) * (af[k * columns + column] ?? 0);
          sum += term;
          magnitude += Math.abs(term);
        }
        const error = Math.abs((values[row * columns + column] ?? Number.NaN) - sum) / magnitude;
        farthest = Math.max(farthest, error);
      }
    }
  }
  expect(farthest).toBeLessThanOrEqual(dtype === 'f32' ? 2 ** -22 : 2 ** -11 + 2 ** -20);
});

describe('the folder', () => {
  it('lists every file and input with its digest in the manifest', async () => {
    const folder = await merge(VORA_RANDOM, '--name', 'random');
    const manifest = await readManifest(folder);
    const names = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = names.filter((entry) => entry.isFile() && entry.name !== 'vora.json');
    expect(manifest.artifacts).toHaveLength(files.length);
    for (const [root, list] of [
      [folder, manifest.artifacts],
      [VORA_RANDOM, manifest.provenance.inputs.map((input) => ({ ...input, path: input.path.slice(11) }))],
    ] as const) {
      for (const { path, bytes, sha256 } of list) {
        const content = await readFile(join(root, path));
        expect(content.byteLength).toBe(bytes);
        expect(createHash('sha256').update(content).digest('hex')).toBe(sha256);
      }
    }
    const vision = manifest.artifacts.find(({ path }) => path === 'vision/embedding.safetensors');
    expect(manifest).toMatchObject({
      kind: 'merged',
      name: 'random',
      weights: 'bf16',
      llm: { hiddenSize: 128, kvHeads: 2, headDim: 32, eosTokenIds: [780, 778] },
      vision: { positions: 64, visionHidden: 640, resize: { mode: 'square' }, sha256: vision?.sha256 },
    });
  });

  it('has a config.json in the words of transformers 4 and 5, and no trace of VoRA in it', async () => {
    const config: unknown = JSON.parse(await readFile(join(await merge(VORA_RANDOM), 'config.json'), 'utf8'));
    expect(config).toMatchObject({
      architectures: ['Qwen2ForCausalLM'],
      model_type: 'qwen2',
      rope_theta: 1e6,
      rope_parameters: { rope_theta: 1e6, rope_type: 'default' },
      torch_dtype: 'bfloat16',
      dtype: 'bfloat16',
    });
    expect(Object.keys(Object(config))).not.toContain('lora');
    expect(Object.keys(Object(config))).not.toContain('image_size');
  });

  it('keeps the vision embedding as it is, whatever dtype the language model gets', async () => {
    const [bf16, f32] = [await merge(VORA_RANDOM), await merge(VORA_RANDOM, '--dtype', 'f32')];
    expect((await readManifest(f32)).vision?.sha256).toBe((await readManifest(bf16)).vision?.sha256);
  });

  it('takes native-resolution bounds from the command line', async () => {
    const folder = await merge(VORA_RANDOM, '--image-mode', 'native', '--max-pixels', '50000');
    const resize = { mode: 'native', minPixels: 3136, maxPixels: 50_000 };
    expect((await readManifest(folder)).vision?.resize).toEqual(resize);
  });

  it('takes native resolution for details only, from the command line and from preprocessor_config.json', async () => {
    const checkpoint = await copyOf(VORA_RANDOM);
    const file = join(checkpoint, 'preprocessor_config.json');
    const config = JSON.parse(await readFile(file, 'utf8')) as object;
    await writeFile(file, JSON.stringify({ ...config, resize_mode: 'by-detail' }));
    const resize = { mode: 'by-detail', minPixels: 3136, maxPixels: 28_224 };
    for (const folder of [await merge(VORA_RANDOM, '--image-mode', 'by-detail'), await merge(checkpoint)]) {
      expect((await readManifest(folder)).vision?.resize).toEqual(resize);
      const vision: unknown = JSON.parse(await readFile(join(folder, 'vision/config.json'), 'utf8'));
      expect(vision).toMatchObject({ resize_mode: 'by-detail', min_pixels: 3136, max_pixels: 28_224 });
    }
  });

  it("speaks with the processor's chat template where the checkpoint has one", async () => {
    const checkpoint = await copyOf(VORA_AUX);
    await writeFile(
      join(checkpoint, 'chat_template.json'),
      JSON.stringify({ chat_template: 'trained {{ messages }}' }),
    );
    const config = JSON.parse(
      await readFile(join(await merge(checkpoint), 'tokenizer_config.json'), 'utf8'),
    ) as unknown;
    expect(config).toMatchObject({ chat_template: 'trained {{ messages }}', tokenizer_class: 'Qwen2Tokenizer' });
  });

  it('drops the teacher and says so', async () => {
    const out = join(await tempFolder(), 'merged');
    const { stdout } = await runInProcess('merge', VORA_AUX, '--out', out);
    expect(stdout).toContain('7 tensors merged, 20 kept, 5 of the vision embedding; 3 dropped (aux_vision');
    expect([...(await readTensors(out)).keys()].some((name) => name.includes('aux'))).toBe(false);
  });

  it('warns of an image size that config.json overrules', async () => {
    const checkpoint = await copyOf(VORA_AUX);
    await writeFile(
      join(checkpoint, 'preprocessor_config.json'),
      JSON.stringify({ crop_size: { height: 224, width: 224 } }),
    );
    const out = join(await tempFolder(), 'merged');
    const { stderr } = await runInProcess('merge', checkpoint, '--out', out);
    expect(stderr).toContain(
      "warning: preprocessor_config.json asks for 224 px, config.json for image_size 56: taking config.json's\n",
    );
  });
});
