/**
 * `npm run bench -- quality [--prompts PATH]`: what every export of the demo model costs, measured against its f32 merge
 * as `vora verify` does. PATH is a prompt set or a folder of them, as `python -m training heldout` writes it.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { mergeRequest } from '../weights-tools/commands/source-options.ts';
import type { MergeRequest } from '../weights-tools/merge/merge-request.ts';
import { formatTable } from '../weights-tools/table.ts';
import type { AnswerSummary } from '../weights-tools/verify/answer-statistics.ts';
import { recordAnswers, sharedText } from '../weights-tools/verify/compare-answers.ts';
import { DEFAULT_PROMPTS, type Question, readPromptSet } from '../weights-tools/verify/prompt-set.ts';
import { openSide } from '../weights-tools/verify/side.ts';
import { reportAnswers } from '../weights-tools/verify/verification.ts';

const ROOT = join(import.meta.dirname, '..');
const MODEL = join(ROOT, 'models/vora-tiny');
const HELD_OUT = join(ROOT, 'artifacts/held-out');

/** Of an answer that is the merge's own, where a question has none. */
const MAX_TOKENS = 32;

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
  const questions = await readPromptSet(chosen);
  const folder = await mkdtemp(join(tmpdir(), 'vora-quality-'));
  try {
    const merged = join(folder, 'merged');
    const from = [join(MODEL, 'adapter'), '--base', join(MODEL, 'base')];
    await vora('merge', ...from, '--dtype', 'f32', '--name', 'vora-tiny', '--out', merged);
    const rows = await compareExports(merged, questions, folder);
    const pictures = questions.filter(({ image }) => image !== null).length;
    console.log(
      `\nvora-tiny on ${chosen}: ${pictures} questions about pictures, ${questions.length - pictures} without`,
    );
    console.log(formatTable(HEADER, rows));
    console.log(
      '(asked for: int8 loses 0.20 points at most, int4 1.00; the clip search less KL than absmax at the same bits)',
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A row for the merge itself, then one for each export. The merge is asked once, for all of them. */
async function compareExports(merged: string, questions: readonly Question[], folder: string): Promise<string[][]> {
  const options = { maxTokens: MAX_TOKENS, memoryBytes: 1e9, scratch: folder, signal: new AbortController().signal };
  const reference = await openSide(artifact(merged));
  try {
    const recorded = await recordAnswers(reference, sharedText(reference, reference), questions, options);
    const rows: string[][] = [];
    for (const [name, [kind = '', ...choices]] of EXPORTS) {
      const out = join(folder, 'export');
      await vora('export', kind, merged, ...choices, '--out', out);
      const side = await openSide(artifact(out));
      const { withImages, withoutImages } = reportAnswers(await recorded.compare(side));
      await side.close();
      await rm(out, { recursive: true });
      if (rows.length === 0) {
        rows.push(['f32 merge', ...cells(withImages, withoutImages, 'a')]);
      }
      rows.push([name, ...cells(withImages, withoutImages, 'b')]);
      console.log(`${name}: done`);
    }
    await recorded.close();
    return rows;
  } finally {
    await reference.close();
  }
}

function artifact(path: string): MergeRequest {
  return mergeRequest(path, { adapter: [], method: 'exact' });
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
