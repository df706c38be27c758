import { Command, InvalidArgumentError, Option } from 'commander';
import { isSeeing } from '../../src/core/model/manifest.ts';
import { type ArtifactFolder, beginArtifactFolder } from '../artifact-folder.ts';
import { BadInput } from '../bad-input.ts';
import { derivedManifest } from '../export/derived-manifest.ts';
import { type ExportSource, openExportSource } from '../export/export-source.ts';
import { describePlan, type OnnxPlan, planOnnx, WEIGHT_FORMATS, type WeightFormat } from '../export/onnx-plan.ts';
import { buildPatchEmbed, describePatchEmbed, type PatchEmbed, PATCH_EMBED_FILE } from '../export/patch-embed.ts';
import { writeModel } from '../export/write-model.ts';
import { untilInterrupted } from '../interrupt.ts';
import { GROUP_SIZES, type GroupSize } from '../onnx/stored-weight.ts';
import { withProgress } from '../progress.ts';
import { memoryOption } from './memory-option.ts';
import { addSourceOptions, mergeRequest, type SourceOptions } from './source-options.ts';

interface ExportOnnxOptions extends SourceOptions {
  readonly out: string;
  readonly weights: WeightFormat;
  readonly groupSize: GroupSize;
  readonly memory: number;
  readonly dryRun?: true;
  readonly force?: true;
}

export function exportOnnxCommand(): Command {
  return addSourceOptions(new Command('onnx'))
    .summary('the model for the endpoint')
    .description(
      'Writes decoder, token embedding and patch embedding for ONNX Runtime, with the tokenizer beside them.\n' +
        'int8 and int4 round weights in groups along each row; the head stays at 8 bits or more.',
    )
    .argument('[model]', 'folder that vora merge wrote, or what it would merge: VoRA checkpoint, plain model')
    .requiredOption('--out <dir>', 'folder to create')
    .addOption(new Option('--weights <format>', 'how linears are stored').choices(WEIGHT_FORMATS).default('f32'))
    .option('--group-size <n>', `weights that share a scale: ${GROUP_SIZES.join(', ')}`, groupSize, 32)
    .addOption(memoryOption())
    .option('--dry-run', 'print the plan, write nothing')
    .option('--force', 'replace a finished output folder')
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  $ vora export onnx merged --out onnx\n' +
        '  $ vora export onnx merged --weights int4 --group-size 32 --out onnx-int4\n\n' +
        'For int8 and int4, merge with --dtype f32 first.',
    )
    .action(async (path: string | undefined, options: ExportOnnxOptions) => {
      const source = await openExportSource(mergeRequest(path, options));
      try {
        await untilInterrupted((signal) => exportOnnx(source, options, signal));
      } finally {
        await source.close();
      }
    });
}

async function exportOnnx(source: ExportSource, options: ExportOnnxOptions, signal: AbortSignal): Promise<void> {
  const { manifest, llm, vision } = source;
  const { weights, groupSize, memory: memoryBytes } = options;
  const startMs = performance.now();
  if (!isSeeing(manifest) || vision === null || manifest.llm.architecture !== 'qwen2') {
    const kind = `${manifest.llm.architecture}${vision === null ? ' of text only' : ''}`;
    throw new BadInput(`${source.description}: found a ${kind}, expected a qwen2 that sees`);
  }
  const plan = planOnnx(manifest.llm, llm, { weights, groupSize, memoryBytes });
  if (weights !== 'f32' && manifest.weights !== 'f32') {
    process.stderr.write(
      `warning: ${source.description} was rounded to ${manifest.weights} already, and ${weights} rounds it again; ` +
        'merge with --dtype f32 and export from that\n',
    );
  }
  if (options.dryRun === true) {
    process.stdout.write(`${describePlan(plan)}\n`);
    return;
  }
  const patchEmbed = await buildPatchEmbed(manifest, vision);
  process.stdout.write(`${describePatchEmbed(patchEmbed)}\n`);
  const folder = await beginArtifactFolder(options.out, { force: options.force === true, inputs: source.folders });
  await write(folder, source, plan, { patchEmbed, weights, signal });
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  process.stdout.write(`${describePlan(plan)}\nwrote ${options.out} in ${seconds} s\n`);
}

/** Checks every input against its digest, writes the models, then the files beside them, then the manifest. */
async function write(
  folder: ArtifactFolder,
  source: ExportSource,
  plan: OnnxPlan,
  parts: { patchEmbed: PatchEmbed; weights: WeightFormat; signal: AbortSignal },
): Promise<void> {
  const { patchEmbed, weights, signal } = parts;
  await withProgress('export', source.inputBytes + 2 * plan.outputBytes, async (progress) => {
    const onBytes = (bytes: number): void => {
      progress.advance(bytes);
    };
    const inputs = await source.verifyInputs({ onBytes, signal });
    const buffer = new Float32Array(plan.bufferFloats);
    for (const model of plan.models) {
      await writeModel(model, folder, buffer, { progress, signal });
    }
    await folder.write(PATCH_EMBED_FILE, patchEmbed.model);
    for (const [path, content] of source.text.contents) {
      await folder.write(path, content);
    }
    const manifest = await derivedManifest(source.manifest, { kind: 'onnx', weights, inputs });
    await folder.finish(manifest, { onBytes, signal });
  });
}

function groupSize(text: string): GroupSize {
  const size = GROUP_SIZES.find((candidate) => String(candidate) === text);
  if (size === undefined) {
    throw new InvalidArgumentError(`Expected one of ${GROUP_SIZES.join(', ')}.`);
  }
  return size;
}
