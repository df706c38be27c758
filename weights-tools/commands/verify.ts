import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { VERIFY_ANSWER_MAX_TOKENS } from '../checkpoint-limits.ts';
import { BadInput } from '../bad-input.ts';
import { untilInterrupted } from '../interrupt.ts';
import type { MergeRequest } from '../merge/merge-request.ts';
import { type Bounds, PastBounds, pastBounds } from '../verify/bounds.ts';
import { DEFAULT_PROMPTS, readPromptSet } from '../verify/prompt-set.ts';
import { describeVerification } from '../verify/report.ts';
import { openSide } from '../verify/side.ts';
import { type Verification, verify, type VerifyOptions } from '../verify/verification.ts';
import { memoryOption } from './memory-option.ts';
import { addSourceOptions, mergeRequest, type SourceOptions } from './source-options.ts';

interface VerifyCommandOptions extends SourceOptions, Bounds {
  readonly prompts: string;
  readonly maxTokens: number;
  readonly tensorsOnly?: true;
  readonly json?: string;
  readonly scratch: string;
  readonly memory: number;
}

export function verifyCommand(): Command {
  const command = new Command('verify')
    .summary('say how far one artifact is from another')
    .description(
      'Compares B with A, the reference: every tensor, dequantized, block by block; then what both models say at each token\n' +
        'of the same answers, with pictures and without. With one artifact, A is what --base and --adapter make.\n' +
        'A model without graphs of its own runs as f32 graphs written to --scratch, 4 bytes a weight.',
    )
    .argument('<a>', 'the reference: artifact folder, or a VoRA checkpoint with its --base')
    .argument('[b]', 'the artifact in question')
    .option(
      '--prompts <path>',
      'JSON lines {prompt, image?, answer?, kind?}, or a folder with questions.jsonl',
      DEFAULT_PROMPTS,
    )
    .option('--max-tokens <n>', "length of an answer that is A's own, where the prompt has none", answerTokens, 32)
    .option('--tensors-only', 'run no model')
    .option('--json <file>', 'write everything that was measured, each tensor included')
    .option('--scratch <dir>', 'for graphs and logits meanwhile', tmpdir())
    .addOption(memoryOption())
    .option('--max-kl <nats>', 'bound: mean KL(A ‖ B)', number)
    .option('--min-cosine <x>', 'bound: cosine of the logits at any token', number)
    .option('--min-greedy <share>', 'bound: tokens at which both find the same one most likely, 0 to 1', number)
    .option('--min-accuracy <share>', "bound: B's accuracy, 0 to 1", number)
    .option('--max-accuracy-loss <share>', "bound: A's accuracy less B's, 0 to 1", number)
    .option('--max-perplexity-ratio <x>', "bound: B's perplexity over A's", number)
    .option('--max-tensor-error <x>', 'bound: relative error of any tensor', number);
  return addSourceOptions(command)
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  $ vora verify merged onnx-int4\n' +
        '  $ vora verify merged onnx-int4 --prompts held-out/scene --max-kl 0.05 --max-accuracy-loss 0.01 --json report.json\n' +
        '  $ vora verify onnx --base Qwen2.5-1.5B-Instruct --adapter my-lora --min-greedy 0.99\n' +
        '  $ vora verify merged vllm-w4a16 --tensors-only --max-tensor-error 0.1\n\n' +
        'Bounds hold for prompts with pictures and for those without, each by itself. Exit code 4: past a bound.',
    )
    .action((a: string, b: string | undefined, options: VerifyCommandOptions) =>
      untilInterrupted((signal) => run(a, b, options, signal)),
    );
}

async function run(
  a: string,
  b: string | undefined,
  options: VerifyCommandOptions,
  signal: AbortSignal,
): Promise<void> {
  const questions = options.tensorsOnly === true ? null : await readPromptSet(options.prompts);
  const { maxTokens, memory: memoryBytes, scratch } = options;
  const requests = requestsOf(a, b, options);
  const verification = await compare(requests, { questions, maxTokens, memoryBytes, scratch, signal });
  process.stdout.write(`${describeVerification(verification)}\n`);
  if (options.json !== undefined) {
    await writeFile(options.json, `${JSON.stringify(verification, null, 2)}\n`);
  }
  const violations = pastBounds(verification, options);
  if (violations.length > 0) {
    throw new PastBounds(violations);
  }
}

async function compare([a, b]: [MergeRequest, MergeRequest], options: VerifyOptions): Promise<Verification> {
  const left = await openSide(a);
  try {
    const right = await openSide(b);
    try {
      return await verify(left, right, options);
    } finally {
      await right.close();
    }
  } finally {
    await left.close();
  }
}

/** The reference first. The options say how it is made; the other is an artifact as it stands. */
function requestsOf(a: string, b: string | undefined, options: SourceOptions): [MergeRequest, MergeRequest] {
  if (b === undefined && options.adapter.length === 0 && options.base === undefined) {
    throw new BadInput(`${a}: found nothing to compare it with, expected a second artifact, or --base and --adapter`);
  }
  const artifact = mergeRequest(b ?? a, { adapter: [], method: 'exact' });
  return [mergeRequest(b === undefined ? undefined : a, options), artifact];
}

function number(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!Number.isFinite(value) || value < 0) {
    throw new InvalidArgumentError('Expected a number, 0 or more.');
  }
  return value;
}

function answerTokens(text: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1 || count > VERIFY_ANSWER_MAX_TOKENS) {
    throw new InvalidArgumentError(`Expected a whole number from 1 to ${VERIFY_ANSWER_MAX_TOKENS}.`);
  }
  return count;
}
