import { Command, Option } from 'commander';
import { isSeeing } from '../../src/core/model/manifest.ts';
import { type ArtifactFolder, beginArtifactFolder } from '../artifact-folder.ts';
import { derivedManifest } from '../export/derived-manifest.ts';
import type { ExportSource } from '../export/export-source.ts';
import { describeGgufPlan, type GgufPlan, planGguf } from '../export/gguf-plan.ts';
import { writeVisionFolder } from '../export/vision-folder.ts';
import { writeGguf } from '../export/write-gguf.ts';
import type { GgufFormat } from '../gguf/type-mix.ts';
import { withProgress } from '../progress.ts';
import { memoryOption } from './memory-option.ts';
import { addSourceOptions, type SourceOptions } from './source-options.ts';
import { threadsOption } from './threads-option.ts';
import { warnOfSecondRounding, withSource } from './with-source.ts';

interface ExportGgufOptions extends SourceOptions {
  readonly out: string;
  readonly type: GgufFormat;
  readonly memory: number;
  readonly threads?: number;
  readonly dryRun?: true;
  readonly force?: true;
}

const FORMATS = ['f16', 'bf16', 'f32', 'q8_0', 'q4_0', 'q4_k_m'] as const satisfies readonly GgufFormat[];

export function exportGgufCommand(): Command {
  const command = new Command('gguf')
    .summary('the language model for llama.cpp')
    .description(
      'Writes one .gguf file with tokenizer and chat template in it, and vision/ beside it.\n' +
        'It answers text only: llama.cpp cannot run the vision embedding, and the file says so.',
    )
    .argument('[source]', 'folder that vora merge wrote, or a checkpoint to merge on the way')
    .requiredOption('--out <dir>', 'folder to create')
    .addOption(new Option('--type <type>', 'how weights are stored').choices(FORMATS).default('q4_k_m'))
    .addOption(memoryOption())
    .addOption(threadsOption())
    .option('--dry-run', 'print the plan, write nothing')
    .option('--force', 'replace a finished output folder');
  return addSourceOptions(command)
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  $ vora export gguf merged --out gguf\n' +
        '  $ vora export gguf merged --type q8_0 --out gguf-q8\n' +
        '  $ vora export gguf --base Qwen2.5-1.5B-Instruct --adapter my-adapter --out gguf\n' +
        '  $ llama-cli -m gguf/*.gguf -p "Hello"\n\n' +
        'Which one? q4_k_m is what most people run: 4.9 bits a weight, six for the head and half of the values and\n' +
        'down-projections. q8_0 is hardly told from f16 at half its size. q4_0 is smaller, coarser and fast to repack on ARM.\n' +
        'bf16 keeps a bf16 model as it is, f16 rounds small weights, f32 is for comparing. Rows that do not fill blocks of\n' +
        '256 get q5_0 and q8_0, as in llama.cpp. For q types, start from --dtype f32 or from the adapters themselves.',
    )
    .action((path: string | undefined, options: ExportGgufOptions) =>
      withSource(path, options, (source, signal) => exportGguf(source, options, signal)),
    );
}

async function exportGguf(source: ExportSource, options: ExportGgufOptions, signal: AbortSignal): Promise<void> {
  const { manifest, folders } = source;
  const startMs = performance.now();
  const plan = planGguf(source, { format: options.type, memoryBytes: options.memory });
  warnOfSecondRounding(source, options.type);
  if (options.dryRun !== true) {
    const folder = await beginArtifactFolder(options.out, { force: options.force === true, inputs: folders });
    await write(folder, source, plan, options, signal);
  }
  process.stdout.write(`${describeGgufPlan(plan)}\n`);
  if (isSeeing(manifest)) {
    process.stdout.write('text only: llama.cpp cannot see; for pictures use vora export onnx or vllm\n');
  }
  if (options.dryRun !== true) {
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    process.stdout.write(`wrote ${options.out} in ${seconds} s\n`);
  }
}

/** Checks every input against its digest, writes the model, the vision embedding beside it, then the manifest. */
async function write(
  folder: ArtifactFolder,
  source: ExportSource,
  plan: GgufPlan,
  { type: weights, threads }: Pick<ExportGgufOptions, 'type' | 'threads'>,
  signal: AbortSignal,
): Promise<void> {
  const { manifest, vision } = source;
  await withProgress('export', source.inputBytes + 2 * plan.layout.byteLength, async (progress) => {
    const onBytes = (bytes: number): void => {
      progress.advance(bytes);
    };
    const inputs = await source.verifyInputs({ onBytes, signal });
    await writeGguf(plan, folder, { progress, signal, ...(threads === undefined ? {} : { threads }) });
    if (isSeeing(manifest) && vision !== null) {
      await writeVisionFolder(folder, manifest, vision);
    }
    await folder.finish(await derivedManifest(manifest, { kind: 'gguf', weights, inputs }), { onBytes, signal });
  });
}
