import { rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { VERIFY_ANSWER_MAX_TOKENS } from '../checkpoint-limits.ts';
import { BadInput } from '../bad-input.ts';
import { calibrate } from '../calibrate/calibrate.ts';
import { encodeImportance } from '../calibrate/importance-file.ts';
import { openExportSource } from '../export/export-source.ts';
import { untilInterrupted } from '../interrupt.ts';
import { namingPath } from '../io-failure.ts';
import { readPromptSet } from '../verify/prompt-set.ts';
import { memoryOption } from './memory-option.ts';
import { addSourceOptions, mergeRequest, type SourceOptions } from './source-options.ts';

interface CalibrateOptions extends SourceOptions {
  readonly out: string;
  readonly prompts: string;
  readonly maxTokens: number;
  readonly scratch: string;
  readonly memory: number;
}

export function calibrateCommand(): Command {
  const command = new Command('calibrate')
    .summary('measure what counts when weights are rounded')
    .description(
      'Asks the model every prompt, pictures included, and writes the mean squares of what comes in at each linear. Exports\n' +
        'then round where it costs the answers least. Takes a byte a weight in --scratch meanwhile.',
    )
    .argument('[source]', 'folder that vora merge wrote, or a checkpoint to merge on the way')
    .requiredOption('--prompts <path>', 'JSON lines {prompt, image?, answer?}, or a folder with questions.jsonl')
    .requiredOption('--out <file>', 'safetensors file to write, for --importance')
    .option(
      '--max-tokens <n>',
      "length of an answer that is the model's own, where the prompt has none",
      answerTokens,
      32,
    )
    .option('--scratch <dir>', 'for graphs meanwhile', tmpdir())
    .addOption(memoryOption());
  return addSourceOptions(command)
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  $ vora calibrate merged --prompts training-questions.jsonl --out importance.safetensors\n' +
        '  $ vora export vllm merged --importance importance.safetensors --out vllm-w4a16\n\n' +
        'A hundred prompts are enough. They should look like those that will come, and not be those you measure with.',
    )
    .action((path: string | undefined, options: CalibrateOptions) =>
      untilInterrupted((signal) => run(path, options, signal)),
    );
}

async function run(path: string | undefined, options: CalibrateOptions, signal: AbortSignal): Promise<void> {
  const { out, prompts, maxTokens, scratch, memory: memoryBytes } = options;
  if ((await stat(out).catch(() => undefined)) !== undefined) {
    throw new BadInput(`${out}: found something there, expected a new path for the output`);
  }
  const questions = await readPromptSet(prompts);
  const source = await openExportSource(mergeRequest(path, options));
  const partial = `${out}.partial`;
  try {
    // Where no file can be is known before the first prompt, not after the last.
    await writeFile(partial, '');
    const { importance, positions } = await calibrate(source, questions, { maxTokens, memoryBytes, scratch, signal });
    await namingPath(partial, () => writeFile(partial, encodeImportance(importance), { flush: true }));
    await rename(partial, out);
    const pictures = questions.filter(({ image }) => image !== null).length;
    process.stdout.write(
      `${questions.length} prompts, ${pictures} with a picture, ${positions} positions\nwrote ${out}: ${importance.size} linears\n`,
    );
  } finally {
    await rm(partial, { force: true });
    await source.close();
  }
}

function answerTokens(text: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1 || count > VERIFY_ANSWER_MAX_TOKENS) {
    throw new InvalidArgumentError(`Expected a whole number from 1 to ${VERIFY_ANSWER_MAX_TOKENS}.`);
  }
  return count;
}
