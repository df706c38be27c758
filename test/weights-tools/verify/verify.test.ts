import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { DEFAULT_PROMPTS, readPromptSet } from '../../../weights-tools/verify/prompt-set.ts';
import type { Verification } from '../../../weights-tools/verify/verification.ts';
import { ADAPTER, BASE, readTensors, tempFolder, writeTensors } from '../../support/checkpoint-folder.ts';
import { changeJson } from '../../support/refused-merge.ts';
import { type CliResult, runInProcess } from '../../support/run-cli.ts';

const { merged, onnx } = inject('artifacts');
const PICTURE = resolve('test/fixtures/golden/images/png-rgb.png');
const PROMPTS = [
  { prompt: 'How many colours does a rainbow have?' },
  { prompt: 'What is in the picture?', image: PICTURE, answer: 'a book', kind: 'scene' },
  { question: 'Say yes.', image: null, answer: 'yes', kind: 'text' },
];

let home: string;
let prompts: string;
let int4: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'vora-test-'));
  prompts = join(home, 'prompts.jsonl');
  await writeFile(prompts, PROMPTS.map((line) => `${JSON.stringify(line)}\n`).join('\n'));
  int4 = join(home, 'int4');
  await runInProcess('export', 'onnx', merged, '--weights', 'int4', '--out', int4);
});

afterAll(() => rm(home, { recursive: true, force: true }));

async function verify(...args: string[]): Promise<CliResult & { report: Verification }> {
  const json = join(await tempFolder(), 'report.json');
  const result = await runInProcess('verify', ...args, '--prompts', prompts, '--max-tokens', '4', '--json', json);
  return { ...result, report: JSON.parse(await readFile(json, 'utf8')) as Verification };
}

describe('vora verify', () => {
  it('finds an f32 export equal to the merge it was made from', async () => {
    const { code, stdout, report } = await verify(merged, onnx, '--max-kl', '1e-9', '--max-tensor-error', '0');
    expect(code).toBe(0);
    expect(report.weights).toMatchObject({ onlyA: [], onlyB: [], otherShape: [] });
    expect(report.weights.tensors).toHaveLength(51);
    expect(new Set(report.weights.tensors.map(({ largestDifference }) => largestDifference))).toEqual(new Set([0]));
    expect(report.sameVision).toBe(true);
    expect(report.answers?.all).toMatchObject({ prompts: 3, greedy: { tokens: 1, answers: 1 } });
    expect(report.answers?.withImages).toMatchObject({ prompts: 1, known: { prompts: 1 } });
    expect(report.answers?.withoutImages).toMatchObject({ prompts: 2, known: { prompts: 1 } });
    expect(Object.keys(report.answers?.kinds ?? {})).toEqual(['scene', 'text']);
    expect(stdout).toMatch(/^4 +model\.layers\.\*\.mlp\.down_proj\.weight +\S+ +equal$/m);
    expect(stdout).toMatch(/^greedy agreement, tokens +100\.00 % +100\.00 % +100\.00 %$/m);
  });

  it('measures what int4 costs, and exits with 4 past a bound', async () => {
    const bounds = ['--max-kl', '1e-6', '--min-greedy', '0', '--max-accuracy-loss', '1'];
    const { code, stderr, report } = await verify(merged, int4, ...bounds);
    expect(code).toBe(4);
    expect(stderr).toMatch(/^past a bound: prompts with pictures: mean KL: found [\d.]+, expected at most 0\.000001$/m);
    expect(stderr).toMatch(/^past a bound: prompts without pictures: mean KL/m);
    expect(stderr).not.toMatch(/greedy|accuracy/);
    const { tensors } = report.weights;
    const errorOf = (name: string): number =>
      tensors.find((tensor) => tensor.name === name)?.relativeError ?? Number.NaN;
    expect(errorOf('model.layers.0.mlp.up_proj.weight')).toBeGreaterThan(0.05);
    expect(errorOf('model.layers.0.mlp.up_proj.weight')).toBeLessThan(0.12);
    expect(errorOf('lm_head.weight')).toBeLessThan(0.01);
    expect(errorOf('model.norm.weight')).toBe(0);
  });

  it('names the one tensor that is not the same, by how much', async () => {
    const other = join(await tempFolder(), 'merged');
    await cp(merged, other, { recursive: true });
    const tensors = await readTensors(join(other, 'model.safetensors'));
    const name = 'model.layers.2.self_attn.o_proj.weight';
    const values = new Float32Array(Uint8Array.from(tensors.get(name)?.bytes ?? []).buffer);
    const norm = Math.hypot(...values);
    values[70] = (values[70] ?? 0) + 0.5;
    tensors.set(name, { dtype: 'F32', shape: [128, 128], bytes: new Uint8Array(values.buffer) });
    await writeTensors(join(other, 'model.safetensors'), tensors);

    // A few rows at a time: the changed value is in none of the first blocks.
    const { report } = await verify(merged, other, '--tensors-only', '--memory', '20KB');
    expect(report.answers).toBeNull();
    expect(report.weights.tensors.filter(({ relativeError }) => relativeError > 0)).toEqual([
      {
        name,
        shape: [128, 128],
        rms: expect.closeTo(norm / 128, 6) as number,
        relativeError: expect.closeTo(0.5 / norm, 6) as number,
        largestDifference: expect.closeTo(0.5, 6) as number,
      },
    ]);
  });

  it('compares an artifact with the base and adapter it was made from, without a merged folder', async () => {
    const folder = await tempFolder();
    const [whole, exported] = [join(folder, 'merged'), join(folder, 'onnx')];
    await runInProcess('merge', ADAPTER, '--base', BASE, '--dtype', 'f32', '--out', whole);
    await runInProcess('export', 'onnx', whole, '--out', exported);
    const { code, report } = await verify(
      ADAPTER,
      exported,
      '--base',
      BASE,
      '--max-tensor-error',
      '0',
      '--min-greedy',
      '1',
    );
    expect(code).toBe(0);
    expect(report.a.kind).toBe('merged');
    expect(report.weights.onlyA).toEqual([]);
  });

  it('takes a bound on what was not measured for one that is not kept', async () => {
    const { code, stderr } = await verify(merged, onnx, '--tensors-only', '--max-kl', '1');
    expect(code).toBe(4);
    expect(stderr).toBe('past a bound: prompts: mean KL: nothing was measured, expected at most 1\n');
  });
});

it('does not take a model that sees through another embedding for the same', async () => {
  const other = join(await tempFolder(), 'onnx');
  await cp(onnx, other, { recursive: true });
  await changeJson(join(other, 'vora.json'), ({ vision }) => {
    Object.assign(vision as object, { sha256: '0'.repeat(64) });
  });
  const { code, stderr } = await verify(merged, other, '--tensors-only', '--max-tensor-error', '0');
  expect(code).toBe(4);
  expect(stderr).toBe('past a bound: vision embedding: found another than in A, expected the same\n');
});

describe('a prompt set', () => {
  it('may be a folder of folders, as the held-out sets are written', async () => {
    const folder = await tempFolder();
    for (const [name, question] of [
      ['b', 'second'],
      ['a', 'first'],
    ] as const) {
      await mkdir(join(folder, name));
      const line = { image: '0.png', task: name, kind: 'read', question, answer: 'x' };
      await writeFile(join(folder, name, 'questions.jsonl'), `${JSON.stringify(line)}\n`);
    }
    await writeFile(join(folder, 'README.md'), 'no questions');
    expect(await readPromptSet(folder)).toEqual([
      { prompt: 'first', image: join(folder, 'a/0.png'), answer: 'x', kind: 'read' },
      { prompt: 'second', image: join(folder, 'b/0.png'), answer: 'x', kind: 'read' },
    ]);
  });

  it('is shipped for the demo model, its pictures included', async () => {
    const questions = await readPromptSet(DEFAULT_PROMPTS);
    expect(questions.filter(({ image }) => image !== null && existsSync(image))).toHaveLength(7);
    expect(questions.filter(({ image }) => image === null)).toHaveLength(6);
  });
});

describe('vora verify refuses', () => {
  it('an artifact with nothing to compare it with', async () => {
    const { code, stderr } = await runInProcess('verify', onnx);
    expect(code).toBe(1);
    expect(stderr).toContain('found nothing to compare it with, expected a second artifact, or --base and --adapter');
  });

  it('models with other tokenizers', async () => {
    const other = join(await tempFolder(), 'onnx');
    await cp(onnx, other, { recursive: true });
    const path = join(other, 'tokenizer_config.json');
    await writeFile(path, (await readFile(path, 'utf8')).replace('helpful', 'harmless'));
    const { code, stderr } = await runInProcess('verify', onnx, other);
    expect(code).toBe(1);
    expect(stderr).toContain(`${other}: found another tokenizer_config.json than in ${onnx}, expected the same`);
  });

  it('a bundle without a language model', async () => {
    const { stderr } = await runInProcess('verify', merged, inject('artifacts').edge);
    expect(stderr).toContain('found an edge bundle, which holds no language model');
  });

  it.each([
    ['with a number for a prompt', '{"prompt":"a"}\n{"prompt":1}', 'line 2: prompt: '],
    ['with two prompts in a line', '{"prompt":"a","question":"b"}', 'line 1'],
    ['without a prompt', '{"image":"a.png"}', 'line 1'],
    ['that is no JSON', 'not json', 'line 1'],
    ['that is empty', '\n \n', 'lines: found 0 prompts, expected 1 to 100000'],
    ['without its picture', '{"prompt":"a","image":"no.png"}', 'no.png: found nothing, expected a picture'],
    ['with an endless answer', `{"prompt":"a","answer":"${'long '.repeat(300)}"}`, 'tokens, expected at most 256'],
  ])('a prompt set %s', async (_, text, message) => {
    const file = join(await tempFolder(), 'set.jsonl');
    await writeFile(file, text);
    const { code, stderr } = await runInProcess('verify', onnx, onnx, '--prompts', file);
    expect(code).toBe(1);
    expect(stderr).toContain(message);
  });

  it('a picture that is none', async () => {
    const folder = await tempFolder();
    await writeFile(join(folder, 'a.png'), 'no picture');
    await writeFile(join(folder, 'questions.jsonl'), '{"prompt":"a","image":"a.png"}');
    const { code, stderr } = await runInProcess('verify', onnx, onnx, '--prompts', folder);
    expect(code).toBe(1);
    expect(stderr).toContain('prompt "a": ');
  });
});
