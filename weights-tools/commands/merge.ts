import { basename, resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { EMBED_TOKENS } from '../../src/core/model/tensor-names.ts';
import { beginArtifactFolder } from '../artifact-folder.ts';
import { type FloatDtype, floatDtypeOf } from '../float-blocks.ts';
import { untilInterrupted } from '../interrupt.ts';
import { type ImageOptions, openMergeInputs } from '../merge/inputs.ts';
import { planMerge } from '../merge/plan.ts';
import { describePlan, summarizePlan } from '../merge/plan-report.ts';
import { assignRoles, type TensorRoles } from '../merge/tensor-roles.ts';
import { writeMerged } from '../merge/write-merged.ts';
import { memoryOption } from './memory-option.ts';

interface MergeOptions {
  readonly out: string;
  readonly base?: string;
  readonly dtype?: string;
  readonly name?: string;
  readonly memory: number;
  readonly dryRun?: true;
  readonly force?: true;
  readonly imageMode?: 'square' | 'native';
  readonly minPixels?: number;
  readonly maxPixels?: number;
}

const DTYPES = new Map<string, FloatDtype>([
  ['bf16', 'BF16'],
  ['f16', 'F16'],
  ['f32', 'F32'],
]);

export function mergeCommand(): Command {
  return new Command('merge')
    .summary('add the adapters of a VoRA checkpoint to its base model')
    .description(
      'Writes W + B·A for every adapted linear, and everything else as it is: a folder that loads as a plain language ' +
        'model, with the vision embedding in vision/ and a manifest, vora.json. Sums in f32, rounds once. ' +
        'The folder appears only when it is complete.',
    )
    .argument('<checkpoint>', 'VoRA checkpoint folder: config.json, safetensors, tokenizer')
    .requiredOption('--out <dir>', 'folder to create')
    .option('--base <dir>', 'the language model it was trained on, for a checkpoint of adapters only')
    .addOption(
      new Option('--dtype <dtype>', 'dtype of the result (default: that of the checkpoint)').choices([
        ...DTYPES.keys(),
      ]),
    )
    .option('--name <name>', "the model's name in the API (default: name of the checkpoint folder)", modelName)
    .addOption(memoryOption())
    .option('--dry-run', 'print the plan, write nothing')
    .option('--force', 'replace a finished output folder')
    .addOption(new Option('--image-mode <mode>', 'how images are sized').choices(['square', 'native']))
    .option('--min-pixels <n>', 'native mode: least pixels of an image', pixels)
    .option('--max-pixels <n>', 'native mode: most pixels of an image', pixels)
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  $ vora merge VoRA-7B-Instruct --out merged\n' +
        '  $ vora merge adapters --base Qwen2.5-7B-Instruct --out merged --dtype f32\n' +
        '  $ vora merge VoRA-7B-Instruct --out merged --dry-run\n\n' +
        'Quantized exports start from --dtype f32: rounding twice loses what the adapters added.',
    )
    .action((checkpoint: string, options: MergeOptions) =>
      untilInterrupted((signal) => merge(checkpoint, options, signal)),
    );
}

async function merge(path: string, options: MergeOptions, signal: AbortSignal): Promise<void> {
  const startMs = performance.now();
  const inputs = await openMergeInputs(path, options.base, imageOptions(options));
  try {
    const roles = assignRoles(inputs.config, inputs.checkpoint.tensors, inputs.base?.tensors ?? null);
    const weights = DTYPES.get(options.dtype ?? '') ?? ownDtype(roles);
    const plan = planMerge(roles, { weights, memoryBytes: options.memory });
    for (const warning of [...inputs.warnings, ...roles.warnings]) {
      process.stderr.write(`warning: ${warning}\n`);
    }
    if (options.dryRun === true) {
      process.stdout.write(describePlan(plan, roles));
      return;
    }
    const folder = await beginArtifactFolder(options.out, {
      force: options.force === true,
      inputs: [path, ...(options.base === undefined ? [] : [options.base])],
    });
    await writeMerged(folder, inputs, plan, options.name ?? basename(resolve(path)), signal);
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    process.stdout.write(`${summarizePlan(plan, roles)}\nwrote ${options.out} in ${seconds} s\n`);
  } finally {
    await inputs.close();
  }
}

/** The dtype of the largest tensor; a checkpoint that mixes dtypes comes out in this one. */
function ownDtype(roles: TensorRoles): FloatDtype {
  const embedTokens = roles.llm.get(EMBED_TOKENS);
  return embedTokens === undefined ? 'F32' : floatDtypeOf(embedTokens);
}

function imageOptions({ imageMode, minPixels, maxPixels }: MergeOptions): ImageOptions {
  return {
    ...(imageMode === undefined ? {} : { mode: imageMode }),
    ...(minPixels === undefined ? {} : { minPixels }),
    ...(maxPixels === undefined ? {} : { maxPixels }),
  };
}

function modelName(text: string): string {
  if (text.trim() === '') {
    throw new InvalidArgumentError('Expected a name.');
  }
  return text;
}

function pixels(text: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new InvalidArgumentError('Expected a whole number of pixels.');
  }
  return count;
}
