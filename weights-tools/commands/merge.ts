import { availableParallelism } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { EMBED_TOKENS } from '../../src/core/model/tensor-names.ts';
import { beginArtifactFolder } from '../artifact-folder.ts';
import { BadInput } from '../bad-input.ts';
import { type FloatDtype, floatDtypeOf } from '../float-blocks.ts';
import { untilInterrupted } from '../interrupt.ts';
import { type MergeModel, openMergeModel } from '../merge/merge-model.ts';
import { describeReport, REPORT_FILE, warnOfLoss } from '../merge/merge-report.ts';
import { planMerge } from '../merge/plan.ts';
import { threadsFor } from '../merge/plan-threads.ts';
import { describePlan, summarizePlan } from '../merge/plan-report.ts';
import { writeMerged } from '../merge/write-merged.ts';
import { warn } from '../warn.ts';
import { memoryOption } from './memory-option.ts';
import { addSourceOptions, mergeRequest, type SourceOptions } from './source-options.ts';
import { threadsOption } from './threads-option.ts';

interface MergeOptions extends SourceOptions {
  readonly out: string;
  readonly dtype?: string;
  readonly name?: string;
  readonly memory: number;
  readonly threads?: number;
  readonly dryRun?: true;
  readonly force?: true;
}

const DTYPES = new Map<string, FloatDtype>([
  ['bf16', 'BF16'],
  ['f16', 'F16'],
  ['f32', 'F32'],
]);

export function mergeCommand(): Command {
  return addSourceOptions(new Command('merge'))
    .summary('add VoRA or PEFT adapters to their base model')
    .description(
      'Writes W + Σ weight·s·B·A for every adapted weight, and everything else as it is: a folder that loads as a plain ' +
        'language model, with the vision embedding of a VoRA checkpoint in vision/ and a manifest, vora.json. Sums in f32, ' +
        `rounds once, and says in ${REPORT_FILE} how much of what was added survived that. The folder appears only when it is ` +
        'complete. Adapters that would give another function than the trained one are refused, with the reason.',
    )
    .argument('[checkpoint]', 'VoRA checkpoint folder: config.json, safetensors, tokenizer')
    .requiredOption('--out <dir>', 'folder to create')
    .addOption(
      new Option('--dtype <dtype>', "dtype of the result (default: the model's own)").choices([...DTYPES.keys()]),
    )
    .option(
      '--name <name>',
      "the model's name in the API (default: name of the checkpoint or adapter folder)",
      modelName,
    )
    .addOption(memoryOption())
    .addOption(threadsOption())
    .option('--dry-run', 'print the plan, write nothing')
    .option('--force', 'replace a finished output folder')
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  VoRA, with its own base weights or on a base:\n' +
        '  $ vora merge VoRA-7B-Instruct --out merged\n' +
        '  $ vora merge adapters --base Qwen2.5-7B-Instruct --out merged --dtype f32\n' +
        '  PEFT LoRA, one or several with weights:\n' +
        '  $ vora merge --base Qwen2.5-1.5B-Instruct --adapter my-lora --out merged\n' +
        '  $ vora merge --base Qwen2.5-1.5B-Instruct --adapter style:0.7 --adapter facts:0.5 --method ties --out merged\n' +
        '  What would happen, tensor by tensor:\n' +
        '  $ vora merge VoRA-7B-Instruct --out merged --dry-run\n\n' +
        'Quantized exports start from --dtype f32, or take --base and --adapter themselves: rounding twice loses what the\n' +
        'adapters added.',
    )
    .action((checkpoint: string | undefined, options: MergeOptions) =>
      untilInterrupted((signal) => merge(checkpoint, options, signal)),
    );
}

async function merge(path: string | undefined, options: MergeOptions, signal: AbortSignal): Promise<void> {
  const startMs = performance.now();
  const opened = await openMergeModel(mergeRequest(path, options), 1);
  try {
    const model = { ...opened, name: options.name ?? opened.name };
    if (model.vision === null && options.adapter.length === 0) {
      throw new BadInput(`${model.description}: found a plain model alone, expected --adapter with what to add to it`);
    }
    const sizes = { weights: DTYPES.get(options.dtype ?? '') ?? ownDtype(model), memoryBytes: options.memory };
    const threads = threadsFor(model, { ...sizes, asked: options.threads, processors: availableParallelism() });
    const plan = planMerge(model, { ...sizes, threads });
    model.warnings.forEach(warn);
    if (options.dryRun === true) {
      process.stdout.write(describePlan(plan, model));
      return;
    }
    const folder = await beginArtifactFolder(options.out, { force: options.force === true, inputs: model.folders });
    const report = await writeMerged(folder, model, plan, signal);
    const loss = warnOfLoss(report);
    if (report.tensors.length > 0) {
      process.stdout.write(`${describeReport(report)}\n`);
    }
    if (loss !== null) {
      warn(loss);
    }
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    process.stdout.write(`${summarizePlan(plan, model)}\nwrote ${options.out} in ${seconds} s\n`);
  } finally {
    await opened.close();
  }
}

/** The dtype of the largest tensor; a checkpoint that mixes dtypes comes out in this one. */
function ownDtype({ weights }: MergeModel): FloatDtype {
  const embedTokens = weights.get(EMBED_TOKENS);
  return embedTokens === undefined ? 'F32' : floatDtypeOf(embedTokens.tensor);
}

function modelName(text: string): string {
  if (text.trim() === '') {
    throw new InvalidArgumentError('Expected a name.');
  }
  return text;
}
