/**
 * `npm run bench -- quality [--prompts PATH]`: what every export of the demo model costs, by `vora verify` against its f32
 * merge. PATH is a prompt set or a folder of them, as `python -m training heldout` writes it.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { formatTable } from '../weights-tools/table.ts';
import type { AnswerSummary } from '../weights-tools/verify/answer-statistics.ts';
import { DEFAULT_PROMPTS } from '../weights-tools/verify/prompt-set.ts';
import type { Verification } from '../weights-tools/verify/verification.ts';

const ROOT = join(import.meta.dirname, '..');
const MODEL = join(ROOT, 'models/vora-tiny');
const HELD_OUT = join(ROOT, 'artifacts/held-out');

/** What `vora export` is asked for, by the row's name. */
const EXPORTS: readonly [string, readonly string[]][] = [
  ['onnx int8 g32', ['onnx', '--weights', 'int8']],
  ['onnx int4 g32', ['onnx', '--weights', 'int4']],
  ['onnx int4 g32 asymmetric', ['onnx', '--weights', 'int4', '--asymmetric']],
  ['onnx int4 g32 absmax', ['onnx', '--weights', 'int4', '--clip', 'absmax']],
  ['onnx int4 g64', ['onnx', '--weights', 'int4', '--group-size', '64']],
  ['onnx int4 g128', ['onnx', '--weights', 'int4', '--group-size', '128']],
  ['onnx int4 g128 absmax', ['onnx', '--weights', 'int4', '--group-size', '128', '--clip', 'absmax']],
  ['vllm W4A16 g32', ['vllm', '--scheme', 'W4A16', '--group-size', '32']],
  ['vllm W4A16 g128', ['vllm', '--scheme', 'W4A16', '--group-size', '128']],
  ['vllm W8A16 g128', ['vllm', '--scheme', 'W8A16', '--group-size', '128']],
  ['vllm W8A8, weights', ['vllm', '--scheme', 'W8A8']],
  ['vllm FP8, weights', ['vllm', '--scheme', 'FP8_DYNAMIC']],
  ['gguf bf16', ['gguf', '--type', 'bf16']],
  ['gguf q8_0', ['gguf', '--type', 'q8_0']],
  ['gguf q4_k_m', ['gguf', '--type', 'q4_k_m']],
  ['gguf q4_0', ['gguf', '--type', 'q4_0']],
];

const HEADER = [
  'export',
  'KL image',
  'KL text',
  'greedy image',
  'greedy text',
  'perplexity image',
  'perplexity text',
  'accuracy image',
  'accuracy text',
  'points lost image',
  'points lost text',
  'right only before, after',
];

export async function benchQuality(prompts: string | undefined): Promise<void> {
  const chosen = prompts ?? (existsSync(HELD_OUT) ? HELD_OUT : DEFAULT_PROMPTS);
  const folder = await mkdtemp(join(tmpdir(), 'vora-quality-'));
  try {
    const merged = join(folder, 'merged');
    await vora(
      'merge',
      join(MODEL, 'adapter'),
      '--base',
      join(MODEL, 'base'),
      '--dtype',
      'f32',
      '--name',
      'vora-tiny',
      '--out',
      merged,
    );
    const rows: string[][] = [];
    let reference: Verification['answers'] = null;
    for (const [name, args] of EXPORTS) {
      const out = join(folder, 'export');
      const [kind = '', ...options] = args;
      await vora('export', kind, merged, ...options, '--out', out);
      const { answers } = await verify(merged, out, chosen, join(folder, 'report.json'));
      reference ??= answers;
      rows.push([name, ...cells(answers?.withImages ?? null, answers?.withoutImages ?? null, 'b')]);
      await rm(out, { recursive: true });
      console.log(`${name}: done`);
    }
    const f32 = ['f32 merge', ...cells(reference?.withImages ?? null, reference?.withoutImages ?? null, 'a')];
    console.log(
      `\nvora-tiny on ${chosen}: ${reference?.withImages?.prompts ?? 0} questions about pictures, ${reference?.withoutImages?.prompts ?? 0} without`,
    );
    console.log(formatTable(HEADER, [f32, ...rows]));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function verify(a: string, b: string, prompts: string, json: string): Promise<Verification> {
  await vora('verify', a, b, '--prompts', prompts, '--json', json);
  return JSON.parse(await readFile(json, 'utf8')) as Verification;
}

function cells(image: AnswerSummary | null, text: AnswerSummary | null, side: 'a' | 'b'): string[] {
  const both = (show: (summary: AnswerSummary) => string): string[] =>
    [image, text].map((summary) => (summary === null ? '' : show(summary)));
  const percent = (share: number | undefined): string => (share === undefined ? '' : (100 * share).toFixed(2));
  const isReference = side === 'a';
  const known = [image, text].flatMap((summary) => summary?.known ?? []);
  const lost = known.reduce((sum, group) => sum + group.lost, 0);
  const won = known.reduce((sum, group) => sum + group.won, 0);
  return [
    ...both(({ kl }) => (isReference ? '' : kl.mean.toExponential(2))),
    ...both(({ greedy }) => (isReference ? '' : percent(greedy.tokens))),
    ...both((summary) => summary.known?.perplexity[side].toFixed(4) ?? ''),
    ...both((summary) => percent(summary.known?.accuracy[side])),
    ...both((summary) => (isReference ? '' : percent(lossOf(summary)))),
    isReference ? '' : `${lost}, ${won}`,
  ];
}

function lossOf({ known }: AnswerSummary): number | undefined {
  return known === null ? undefined : known.accuracy.a - known.accuracy.b;
}

async function vora(...args: string[]): Promise<void> {
  await promisify(execFile)(process.execPath, [join(ROOT, 'bin/vora.mjs'), ...args]);
}
