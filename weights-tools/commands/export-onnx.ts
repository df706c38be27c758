import { Command, InvalidArgumentError, Option } from 'commander';
import { isSeeing } from '../../src/core/model/manifest.ts';
import { type ArtifactFolder, beginArtifactFolder } from '../artifact-folder.ts';
import { BadInput } from '../bad-input.ts';
import { derivedManifest } from '../export/derived-manifest.ts';
import type { ExportSource } from '../export/export-source.ts';
import {
  describePlan,
  encodingName,
  type OnnxEncoding,
  type OnnxPlan,
  planOnnx,
  WEIGHT_FORMATS,
  type WeightFormat,
} from '../export/onnx-plan.ts';
import { buildPatchEmbed, describePatchEmbed, type PatchEmbed, PATCH_EMBED_FILE } from '../export/patch-embed.ts';
import { writeModel } from '../export/write-model.ts';
import { withProgress } from '../progress.ts';
import { type Clip, CLIPS, GROUP_SIZES, type GroupSize } from '../quantize/matmul-nbits.ts';
import { importanceOption, type RequestedImportance, requestedImportance } from './importance-option.ts';
import { memoryOption } from './memory-option.ts';
import { addSourceOptions, type SourceOptions } from './source-options.ts';
import { warnOfSecondRounding, withSource } from './with-source.ts';

interface ExportOnnxOptions extends SourceOptions {
  readonly out: string;
  readonly weights: WeightFormat;
  readonly groupSize: GroupSize;
  readonly asymmetric?: true;
  readonly clip?: Clip;
  readonly importance?: string;
  readonly memory: number;
  readonly dryRun?: true;
  readonly force?: true;
}

export function exportOnnxCommand(): Command {
  const command = new Command('onnx')
    .summary('the model for the endpoint')
    .description(
      'Writes decoder, token embedding and patch embedding for ONNX Runtime, with the tokenizer beside them.\n' +
        'int8 and int4 round weights in groups along each row; head and embedding stay at 8 bits or more.',
    )
    .argument('[source]', 'folder that vora merge wrote, or a checkpoint to merge on the way')
    .requiredOption('--out <dir>', 'folder to create')
    .addOption(new Option('--weights <format>', 'how linears are stored').choices(WEIGHT_FORMATS).default('f32'))
    .option('--group-size <n>', `weights that share a scale: ${GROUP_SIZES.join(', ')}`, groupSize, 32)
    .option('--asymmetric', 'give each group a zero point of its own')
    .addOption(
      new Option('--clip <how>', 'mse clips what costs the least squared error, absmax nothing')
        .choices(CLIPS)
        .default(undefined, 'mse for int4, absmax for int8'),
    )
    .addOption(importanceOption())
    .addOption(memoryOption())
    .option('--dry-run', 'print the plan, write nothing')
    .option('--force', 'replace a finished output folder');
  return addSourceOptions(command)
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  $ vora export onnx merged --out onnx\n' +
        '  $ vora export onnx merged --weights int8 --out onnx-int8\n' +
        '  $ vora export onnx merged --weights int4 --group-size 32 --out onnx-int4\n\n' +
        'Which one? int8 is hardly told from f32 and takes a quarter of its memory. int4 takes an eighth: smaller groups\n' +
        'keep more of the model and cost 32 bits for each group. For int8 and int4, merge with --dtype f32 first.',
    )
    .action((path: string | undefined, options: ExportOnnxOptions) =>
      withSource(path, options, (source, signal) => exportOnnx(source, options, signal)),
    );
}

async function exportOnnx(source: ExportSource, options: ExportOnnxOptions, signal: AbortSignal): Promise<void> {
  const { manifest } = source;
  const { weights, groupSize, memory: memoryBytes } = options;
  const clip = options.clip ?? (weights === 'int4' ? 'mse' : 'absmax');
  const encoding = { weights, groupSize, symmetric: options.asymmetric !== true, clip };
  const startMs = performance.now();
  if (options.importance !== undefined && (weights === 'f32' || clip !== 'mse')) {
    const found = `--weights ${weights} --clip ${clip}`;
    throw new BadInput(`--importance: found it with ${found}, expected int8 or int4, and --clip mse`);
  }
  const importance = await requestedImportance(options.importance, manifest.llm);
  const plan = planOnnx(manifest.llm, source.llm, { encoding, memoryBytes });
  if (weights !== 'f32') {
    warnOfSecondRounding(source, weights);
  }
  if (options.dryRun === true) {
    process.stdout.write(`${describePlan(plan)}\n`);
    return;
  }
  const patchEmbed =
    isSeeing(manifest) && source.vision !== null ? await buildPatchEmbed(manifest, source.vision) : null;
  process.stdout.write(
    `${patchEmbed === null ? 'a model of text only: no patch embedding' : describePatchEmbed(patchEmbed)}\n`,
  );
  const force = options.force === true;
  const folder = await beginArtifactFolder(options.out, { force, inputs: source.folders });
  await write(folder, source, plan, { patchEmbed, encoding, importance, signal });
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  process.stdout.write(`${describePlan(plan)}\nwrote ${options.out} in ${seconds} s\n`);
}

/** Checks every input against its digest, writes the models, then the files beside them, then the manifest. */
async function write(
  folder: ArtifactFolder,
  source: ExportSource,
  plan: OnnxPlan,
  parts: {
    patchEmbed: PatchEmbed | null;
    encoding: OnnxEncoding;
    importance: RequestedImportance | null;
    signal: AbortSignal;
  },
): Promise<void> {
  const { patchEmbed, encoding, importance, signal } = parts;
  await withProgress('export', source.inputBytes + 2 * plan.outputBytes, async (progress) => {
    const onBytes = (bytes: number): void => {
      progress.advance(bytes);
    };
    const inputs = await source.verifyInputs({ onBytes, signal });
    await writeModel(plan, folder, { progress, signal, importance: importance?.importance ?? null });
    if (patchEmbed !== null) {
      await folder.write(PATCH_EMBED_FILE, patchEmbed.model);
    }
    for (const [path, content] of source.text.contents) {
      await folder.write(path, content);
    }
    const sources = [...inputs, ...(importance === null ? [] : [importance.file])];
    const artifact = { kind: 'onnx', weights: encodingName(encoding), inputs: sources } as const;
    await folder.finish(await derivedManifest(source.manifest, artifact), { onBytes, signal });
  });
}

function groupSize(text: string): GroupSize {
  const size = GROUP_SIZES.find((candidate) => String(candidate) === text);
  if (size === undefined) {
    throw new InvalidArgumentError(`Expected one of ${GROUP_SIZES.join(', ')}.`);
  }
  return size;
}
