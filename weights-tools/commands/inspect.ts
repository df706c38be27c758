import { join } from 'node:path';
import { Command } from 'commander';
import { type Manifest, MANIFEST_FILE, manifestSchema } from '../../src/core/model/manifest.ts';
import { parseWithSchema } from '../../src/core/model/parse-with-schema.ts';
import { tensorPart } from '../../src/core/model/tensor-names.ts';
import { parseVoraConfig, type VoraConfig } from '../../src/core/model/vora-config.ts';
import { formatByteSize } from '../byte-size.ts';
import { openCheckpoint, type TensorRef } from '../checkpoint.ts';
import { readOptionalJsonFile } from '../json-file.ts';
import { VISION_FILE } from '../merge/plan.ts';
import { formatTable } from '../table.ts';

/** What `--json` prints. */
export interface Inspection {
  readonly path: string;
  /** vora.json, for an artifact folder. */
  readonly manifest: Manifest | null;
  /** config.json, for a VoRA checkpoint. */
  readonly config: VoraConfig | null;
  readonly bytes: number;
  /** Tensors by what they belong to. */
  readonly parts: Readonly<Record<string, { tensors: number; bytes: number }>>;
  readonly tensors: readonly { name: string; dtype: string; shape: readonly number[]; file: string }[];
}

export function inspectCommand(): Command {
  return new Command('inspect')
    .summary('say what a checkpoint or artifact folder holds')
    .description(
      'Reads headers and configuration only, and checks each file as strictly as merge does. Whether the tensors make the ' +
        'model of config.json is what merge --dry-run says.',
    )
    .argument('<path>', 'VoRA checkpoint, plain model or artifact folder, or one safetensors file')
    .option('--json', 'print everything as JSON, each tensor included')
    .addHelpText('after', '\nExamples:\n  $ vora inspect VoRA-7B-Instruct\n  $ vora inspect merged --json')
    .action(async (path: string, options: { json?: true }) => {
      const inspection = await inspect(path);
      const text = options.json === true ? JSON.stringify(inspection, null, 2) : describe(inspection);
      process.stdout.write(`${text}\n`);
    });
}

async function inspect(path: string): Promise<Inspection> {
  const manifestJson = await readOptionalJsonFile(join(path, MANIFEST_FILE));
  const manifest =
    manifestJson === undefined ? null : parseWithSchema(manifestSchema, join(path, MANIFEST_FILE), manifestJson);
  const configPath = join(path, 'config.json');
  const configJson = await readOptionalJsonFile(configPath);
  const isVora =
    typeof configJson === 'object' && configJson !== null && Reflect.get(configJson, 'model_type') === 'vora';
  const config = isVora ? parseVoraConfig(configPath, configJson) : null;
  if (manifest !== null && manifest.kind !== 'merged') {
    return { path, manifest, config, bytes: 0, parts: {}, tensors: [] };
  }
  const tensors = await readHeaders(path);
  if (manifest !== null) {
    tensors.push(...(await readHeaders(join(path, VISION_FILE))));
  }
  return {
    path,
    manifest,
    config,
    bytes: tensors.reduce((sum, { start, end }) => sum + end - start, 0),
    parts: countParts(tensors),
    tensors: tensors.map(({ name, dtype, shape, source }) => ({ name, dtype, shape, file: source.name })),
  };
}

async function readHeaders(path: string): Promise<TensorRef[]> {
  const checkpoint = await openCheckpoint(path);
  await checkpoint.close();
  return [...checkpoint.tensors.values()];
}

function countParts(tensors: readonly TensorRef[]): Inspection['parts'] {
  const parts: Record<string, { tensors: number; bytes: number }> = {};
  for (const { name, start, end } of tensors) {
    const part = (parts[tensorPart(name)] ??= { tensors: 0, bytes: 0 });
    part.tensors += 1;
    part.bytes += end - start;
  }
  return parts;
}

function describe({ path, manifest, config, parts, tensors }: Inspection): string {
  const lines = [path];
  if (manifest !== null) {
    lines.push(
      `artifact   ${manifest.kind} of ${manifest.name}, weights ${manifest.weights}, ${MANIFEST_FILE} is sound`,
    );
    lines.push(`           ${manifest.artifacts.length} files, ${formatByteSize(sumBytes(manifest.artifacts))}`);
  }
  const facts = manifest ?? config;
  if (facts !== null) {
    const { llm, vision } = facts;
    lines.push(
      `language   ${llm.architecture}, ${llm.layers} layers, hidden ${llm.hiddenSize}, vocabulary ${llm.vocabSize}`,
    );
    lines.push(
      vision === null
        ? 'vision     none: text only'
        : `vision     ${vision.imageSize} px, patch ${vision.patchSize}, ${vision.attentionMask} image mask`,
    );
  }
  if (config !== null) {
    lines.push(`adapters   ${'adapters' in parts ? describeLora(config) : 'none: merged already, or a base model'}`);
  }
  for (const [part, { tensors: count, bytes }] of Object.entries(parts)) {
    lines.push(`${String(count).padStart(6)} tensors, ${formatByteSize(bytes)}: ${part}`);
  }
  if (tensors.length > 0) {
    lines.push('', formatTable(['count', 'tensor', 'shape', 'dtype'], groupByPattern(tensors)));
  }
  return lines.join('\n');
}

function describeLora({ lora }: VoraConfig): string {
  return lora === null || lora.rank < 0
    ? 'present, though config.json names none'
    : `rank ${lora.rank} on the first ${lora.layers} layers`;
}

/** One row for all layers: their tensors differ in a number only. */
function groupByPattern(tensors: Inspection['tensors']): string[][] {
  const counts = new Map<string, { row: string[]; count: number }>();
  for (const { name, shape, dtype } of tensors) {
    const row = [name.replaceAll(/(?<=\.)\d+(?=\.)/g, '*'), `[${shape.join(', ')}]`, dtype];
    const group = counts.get(row.join(' '));
    counts.set(row.join(' '), { row, count: (group?.count ?? 0) + 1 });
  }
  return [...counts.values()].map(({ row, count }) => [String(count), ...row]);
}

function sumBytes(files: readonly { bytes: number }[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}
