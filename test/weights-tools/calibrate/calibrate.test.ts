import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type LlmFacts, manifestSchema } from '../../../src/core/model/manifest.ts';
import { readImportance } from '../../../weights-tools/calibrate/importance-file.ts';
import { digestFile } from '../../../weights-tools/digest.ts';
import { readTensors, tempFolder, writeTensors } from '../../support/checkpoint-folder.ts';
import { type CliResult, runInProcess } from '../../support/run-cli.ts';

const { merged } = inject('artifacts');
const PICTURE = resolve('examples/images/word.png');
const WITH_PICTURE = { prompt: 'What does it say?', image: PICTURE, answer: 'HARBOR' };

async function promptFile(...lines: object[]): Promise<string> {
  const file = join(await tempFolder(), 'prompts.jsonl');
  await writeFile(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return file;
}

let home: string;
let file: string;
let llm: LlmFacts;
let calibration: CliResult;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'vora-test-'));
  file = join(home, 'importance.safetensors');
  llm = manifestSchema.parse(JSON.parse(await readFile(join(merged, 'vora.json'), 'utf8'))).llm;
  const prompts = join(home, 'prompts.jsonl');
  await writeFile(prompts, `${JSON.stringify(WITH_PICTURE)}\n{"prompt":"Hello"}\n`);
  const args = ['--prompts', prompts, '--max-tokens', '4', '--out', file];
  calibration = await runInProcess('calibrate', merged, ...args);
});

afterAll(() => rm(home, { recursive: true }));

describe('vora calibrate', () => {
  it('writes what comes in at every linear', async () => {
    expect(calibration.code).toBe(0);
    expect(calibration.stdout).toMatch(/2 prompts, 1 with a picture, \d+ positions\nwrote .*: 28 linears/);
    expect((await readTensors(file)).size).toBe(28);
    const importance = await readImportance(file, llm);
    const query = importance.get('model.layers.0.self_attn.q_proj.weight');
    expect(importance.get('model.layers.0.self_attn.v_proj.weight')).toEqual(query);
    expect(query?.every((value) => value > 0)).toBe(true);
  });

  it.each([
    { kind: 'onnx', data: 'decoder.onnx.data', options: ['--weights', 'int4'] },
    { kind: 'vllm', data: 'model.safetensors', options: [] },
  ])('changes what vora export $kind writes, and is named in its manifest', async ({ kind, data, options }) => {
    const folder = await tempFolder();
    const [plain, weighed] = [join(folder, 'plain'), join(folder, 'weighed')];
    expect((await runInProcess('export', kind, merged, ...options, '--out', plain)).code).toBe(0);
    const run = await runInProcess('export', kind, merged, ...options, '--importance', file, '--out', weighed);
    expect(run.code).toBe(0);
    expect((await readFile(join(plain, data))).equals(await readFile(join(weighed, data)))).toBe(false);
    const manifest = manifestSchema.parse(JSON.parse(await readFile(join(weighed, 'vora.json'), 'utf8')));
    const digest = await digestFile(file);
    expect(manifest.provenance.inputs.at(-1)).toEqual({ path: 'importance/importance.safetensors', ...digest });
  });

  it('refuses prompts without a picture for a model that sees', async () => {
    const out = join(await tempFolder(), 'importance.safetensors');
    const prompts = await promptFile({ prompt: 'Hello' });
    const { code, stderr } = await runInProcess('calibrate', merged, '--prompts', prompts, '--out', out);
    expect(stderr).toMatch(/found no prompt with a picture, expected some: this model sees/);
    expect(code).toBe(1);
  });

  it('says before the first prompt that its file cannot be written', async () => {
    const out = join(await tempFolder(), 'missing', 'importance.safetensors');
    const prompts = await promptFile({ ...WITH_PICTURE, image: '/no/such/picture.png' });
    const { code, stderr } = await runInProcess('calibrate', merged, '--prompts', prompts, '--out', out);
    expect(stderr).toMatch(
      /error: ENOENT: no such file or directory, open '\S+missing\/importance\.safetensors\.partial'/,
    );
    expect(code).toBe(3);
  });

  it('leaves nothing where a prompt fails', async () => {
    const folder = await tempFolder();
    const prompts = await promptFile({ ...WITH_PICTURE, image: '/no/such/picture.png' });
    const out = join(folder, 'importance.safetensors');
    expect((await runInProcess('calibrate', merged, '--prompts', prompts, '--out', out)).code).not.toBe(0);
    expect(await readdir(folder)).toEqual([]);
  });

  it('never overwrites', async () => {
    const prompts = await promptFile(WITH_PICTURE);
    const { code, stderr } = await runInProcess('calibrate', merged, '--prompts', prompts, '--out', prompts);
    expect(stderr).toMatch(/prompts\.jsonl: found something there, expected a new path/);
    expect(code).toBe(1);
  });
});

describe('--importance', () => {
  it.each([
    { options: ['onnx', merged, '--weights', 'f32'], message: /--importance: found it with --weights f32/ },
    { options: ['onnx', merged, '--weights', 'int4', '--clip', 'absmax'], message: /found it with .* --clip absmax/ },
    { options: ['vllm', merged, '--scheme', 'FP8_DYNAMIC'], message: /--importance: found it with FP8_DYNAMIC/ },
  ])('is refused where nothing is clipped: $options', async ({ options, message }) => {
    const out = join(await tempFolder(), 'out');
    const { code, stderr } = await runInProcess('export', ...options, '--importance', 'unread', '--out', out);
    expect(stderr).toMatch(message);
    expect(code).toBe(1);
  });

  it.each([
    {
      name: 'of another model',
      change: (shape: number[]) => [...shape, 1],
      message: /found \[128, 1\], expected \[128\]/,
    },
    { name: 'with a tensor missing', change: () => null, message: /q_proj\.weight: found nothing, expected \[128\]/ },
  ])('is refused when it is $name', async ({ change, message }) => {
    const shape = change([128]);
    const bytes = new Uint8Array(512);
    const tensors =
      shape === null ? [] : [['model.layers.0.self_attn.q_proj.weight', { dtype: 'F32', shape, bytes }] as const];
    const other = join(await tempFolder(), 'importance.safetensors');
    await writeTensors(other, new Map(tensors));
    await expect(readImportance(other, llm)).rejects.toThrow(message);
  });

  it('is refused when something in it is negative', async () => {
    const tensors = await readTensors(file);
    const bytes = tensors.get('model.layers.1.mlp.up_proj.weight')?.bytes ?? new Uint8Array();
    new DataView(bytes.buffer, bytes.byteOffset).setFloat32(8, -1, true);
    const other = join(await tempFolder(), 'importance.safetensors');
    await writeTensors(other, tensors);
    await expect(readImportance(other, llm)).rejects.toThrow(
      /importance\.safetensors: tensor model\.layers\.1\.mlp\.up_proj\.weight: found -1, expected mean squares, 0 or more/,
    );
  });
});
