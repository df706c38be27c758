import { Command, InvalidArgumentError, Option } from 'commander';
import { isSeeing } from '../../src/core/model/manifest.ts';
import { type ArtifactFolder, beginArtifactFolder } from '../artifact-folder.ts';
import { BadInput } from '../bad-input.ts';
import { derivedManifest } from '../export/derived-manifest.ts';
import type { ExportSource } from '../export/export-source.ts';
import { writeVisionFolder } from '../export/vision-folder.ts';
import { describeVllmPlan, planVllm, type VllmPlan } from '../export/vllm-plan.ts';
import {
  VLLM_GROUP_SIZES,
  VLLM_SCHEMES,
  type VllmGroupSize,
  type VllmScheme,
  vllmScheme,
  type VllmSchemeName,
} from '../export/vllm-scheme.ts';
import { writeVllm } from '../export/write-vllm.ts';
import { withProgress } from '../progress.ts';
import { importanceOption, type RequestedImportance, requestedImportance } from './importance-option.ts';
import { memoryOption } from './memory-option.ts';
import { addSourceOptions, type SourceOptions } from './source-options.ts';
import { warnOfSecondRounding, withSource } from './with-source.ts';

interface ExportVllmOptions extends SourceOptions {
  readonly out: string;
  readonly scheme: VllmSchemeName;
  readonly groupSize?: VllmGroupSize;
  readonly importance?: string;
  readonly memory: number;
  readonly dryRun?: true;
  readonly force?: true;
}

const GROUP_SIZE = 128;

export function exportVllmCommand(): Command {
  const command = new Command('vllm')
    .summary('the model for vLLM, in compressed-tensors')
    .description(
      'Writes a folder that `vllm serve` loads: config.json, quantized safetensors, tokenizer, and vision/ beside them.\n' +
        'The linears of the blocks are quantized; embedding, head and norms stay bf16.',
    )
    .argument('[source]', 'folder that vora merge wrote, or a checkpoint to merge on the way')
    .requiredOption('--out <dir>', 'folder to create')
    .addOption(new Option('--scheme <name>', 'weights and activations').choices(VLLM_SCHEMES).default('W4A16'))
    .option(
      '--group-size <n>',
      `W4A16, W8A16: weights that share a scale: ${VLLM_GROUP_SIZES.join(', ')} (default: ${GROUP_SIZE})`,
      parseGroupSize,
    )
    .addOption(importanceOption())
    .addOption(memoryOption())
    .option('--dry-run', 'print the plan, write nothing')
    .option('--force', 'replace a finished output folder');
  return addSourceOptions(command)
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  $ vora export vllm merged --out vllm-w4a16\n' +
        '  $ vora export vllm merged --scheme FP8_DYNAMIC --out vllm-fp8\n' +
        '  $ vora export vllm --base Qwen2.5-1.5B-Instruct --adapter my-adapter --scheme W8A16 --out vllm-w8a16\n\n' +
        'Which one? FP8_DYNAMIC on Hopper, Ada and later: nothing to lose, twice the speed of bf16 in large batches.\n' +
        'W4A16 where memory or single answers count; 128 is what the fastest kernels take. W8A16 where both matter less than\n' +
        'quality. W8A8 on older GPUs; Qwen models have activations that its whole numbers hold badly: compare first.',
    )
    .action((path: string | undefined, options: ExportVllmOptions) =>
      withSource(path, options, (source, signal) => exportVllm(source, options, signal)),
    );
}

async function exportVllm(source: ExportSource, options: ExportVllmOptions, signal: AbortSignal): Promise<void> {
  const { manifest } = source;
  const scheme = requestedScheme(options);
  const startMs = performance.now();
  const plan = planVllm(manifest.llm, source.llm, { scheme, memoryBytes: options.memory });
  warnOfSecondRounding(source, scheme.name);
  const importance = await requestedImportance(options.importance, manifest.llm);
  if (options.dryRun !== true) {
    const force = options.force === true;
    const folder = await beginArtifactFolder(options.out, { force, inputs: source.folders });
    await write(folder, source, plan, { importance, signal });
  }
  process.stdout.write(`${describeVllmPlan(plan)}\n`);
  if (options.dryRun !== true) {
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    process.stdout.write(`wrote ${options.out} in ${seconds} s\n`);
  }
}

/** Checks every input against its digest, writes weights, then the files beside them, then the manifest. */
async function write(
  folder: ArtifactFolder,
  source: ExportSource,
  plan: VllmPlan,
  { importance, signal }: { importance: RequestedImportance | null; signal: AbortSignal },
): Promise<void> {
  const { manifest, llmConfig, vision, text } = source;
  await withProgress('export', source.inputBytes + 2 * plan.outputBytes, async (progress) => {
    const onBytes = (bytes: number): void => {
      progress.advance(bytes);
    };
    const inputs = await source.verifyInputs({ onBytes, signal });
    await writeVllm(plan, folder, { progress, signal, importance: importance?.importance ?? null });
    const dtype = { torch_dtype: 'bfloat16', dtype: 'bfloat16' };
    const config = { ...llmConfig, ...dtype, quantization_config: plan.scheme.config };
    await folder.write('config.json', `${JSON.stringify(config, null, 2)}\n`);
    for (const [path, content] of text.contents) {
      await folder.write(path, content);
    }
    if (isSeeing(manifest) && vision !== null) {
      await writeVisionFolder(folder, manifest, vision);
    }
    const sources = [...inputs, ...(importance === null ? [] : [importance.file])];
    const artifact = { kind: 'vllm', weights: plan.scheme.label, inputs: sources } as const;
    await folder.finish(await derivedManifest(manifest, artifact), { onBytes, signal });
  });
}

/** @throws BadInput for an option that the scheme has no use for */
function requestedScheme({ scheme, groupSize, importance }: ExportVllmOptions): VllmScheme {
  const isPacked = scheme === 'W4A16' || scheme === 'W8A16';
  if (importance !== undefined && !isPacked) {
    throw new BadInput(
      `--importance: found it with ${scheme}, expected it with W4A16 or W8A16: the others clip nothing`,
    );
  }
  if (groupSize !== undefined && !isPacked) {
    throw new BadInput(`--group-size: found ${groupSize} with ${scheme}, expected it with W4A16 or W8A16 only`);
  }
  return vllmScheme(scheme, groupSize ?? GROUP_SIZE);
}

function parseGroupSize(text: string): VllmGroupSize {
  const size = VLLM_GROUP_SIZES.find((candidate) => String(candidate) === text);
  if (size === undefined) {
    throw new InvalidArgumentError(`Expected one of ${VLLM_GROUP_SIZES.join(', ')}.`);
  }
  return size;
}
