import { cp, mkdir, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bf16ToF32 } from '../../../src/core/bytes/float.ts';
import {
  ADAPTER,
  BASE,
  changedCheckpoint,
  readTensors,
  tempFolder,
  type TestTensor,
  VORA_AUX,
  VORA_RANDOM,
} from '../../support/checkpoint-folder.ts';
import { runInProcess } from '../../support/run-cli.ts';

async function merge(...args: string[]): Promise<string> {
  const out = join(await tempFolder(), 'merged');
  const { code, stderr } = await runInProcess('merge', ...args, '--out', out);
  expect({ code, warned: stderr.includes('warning') }).toEqual({ code: 0, warned: false });
  return out;
}

function modelOf(folder: string): Promise<Buffer> {
  return readFile(join(folder, 'model.safetensors'));
}

function widen(tensor: TestTensor): TestTensor {
  const halves = new Uint16Array(tensor.bytes.buffer, tensor.bytes.byteOffset, tensor.bytes.byteLength / 2);
  return { ...tensor, dtype: 'F32', bytes: new Uint8Array(bf16ToF32(halves).buffer) };
}

describe('a checkpoint gives the same model', () => {
  it.each<[string, (name: string) => string]>([
    ['nested by DeepSpeed', (name) => `module.${name}`],
    ['nested twice', (name) => `module.module.${name}`],
  ])('%s', async (_name, nest) => {
    const nested = await changedCheckpoint((tensors) => {
      for (const [name, tensor] of new Map(tensors)) {
        tensors.delete(name);
        tensors.set(nest(name), tensor);
      }
    });
    expect((await modelOf(await merge(nested))).equals(await modelOf(await merge(VORA_AUX)))).toBe(true);
  });

  it('in f32, once it is rounded to what it was', async () => {
    const wide = await changedCheckpoint((tensors) => {
      tensors.forEach((tensor, name) => tensors.set(name, widen(tensor)));
    });
    const narrow = await merge(wide, '--dtype', 'bf16');
    expect((await modelOf(narrow)).equals(await modelOf(await merge(VORA_AUX)))).toBe(true);
  });

  it('behind the links of the Hugging Face cache', async () => {
    const cache = join(await tempFolder(), 'models--Hon-Wong--VoRA-random');
    const snapshot = join(cache, 'snapshots/0123abcd');
    await mkdir(join(cache, 'blobs'), { recursive: true });
    await cp(VORA_RANDOM, snapshot, { recursive: true });
    for (const [index, name] of (await readdir(snapshot)).entries()) {
      await rename(join(snapshot, name), join(cache, 'blobs', `b${index}`));
      await symlink(`../../blobs/b${index}`, join(snapshot, name));
    }
    expect((await modelOf(await merge(snapshot))).equals(await modelOf(await merge(VORA_RANDOM)))).toBe(true);
  });

  it('given as an adapter of its base', async () => {
    const given = await merge('--base', BASE, '--adapter', ADAPTER);
    expect((await modelOf(given)).equals(await modelOf(await merge(ADAPTER, '--base', BASE)))).toBe(true);
  });
});

it('VoRA takes a weight as PEFT adapters do', async () => {
  const once = await readTensors(await merge('--base', BASE, '--adapter', ADAPTER, '--dtype', 'f32'));
  const half = await readTensors(await merge('--base', BASE, '--adapter', `${ADAPTER}:0.5`, '--dtype', 'f32'));
  const base = await readTensors(BASE);
  const name = 'model.layers.1.mlp.down_proj.weight';
  const floats = (tensor: TestTensor | undefined): Float32Array =>
    new Float32Array(tensor?.bytes.buffer ?? new ArrayBuffer(0));
  const [all, some] = [floats(once.get(name)), floats(half.get(name))];
  const before = base.get(name);
  const start = before === undefined ? new Float32Array() : floats(widen(before));
  expect(start.length).toBeGreaterThan(0);
  const error = start.map((w, i) => Math.abs((some[i] ?? 0) - w - ((all[i] ?? 0) - w) / 2));
  expect(Math.max(...error)).toBeLessThan(1e-6);
});

it.each(['pytorch_model.bin', 'mp_rank_00_model_states.pt'])('%s is refused with what converts it', async (name) => {
  const folder = await tempFolder();
  await writeFile(join(folder, 'config.json'), await readFile(join(VORA_AUX, 'config.json')));
  await writeFile(join(folder, name), '');
  const { code, stderr } = await runInProcess('merge', folder, '--out', join(folder, 'out'));
  expect(code).toBe(1);
  expect(stderr).toContain(`${folder}: found ${name}, a PyTorch pickle, expected safetensors. Convert each such file`);
});
