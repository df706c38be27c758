import { stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { ADAPTERS_MAX } from '../checkpoint-limits.ts';
import type { LlmShape } from '../../src/core/model/llm-config.ts';
import type { PreprocessorConfig } from '../../src/core/model/preprocessor-config.ts';
import type { VoraConfig } from '../../src/core/model/vora-config.ts';
import { BadInput } from '../bad-input.ts';
import type { Checkpoint, TensorRef } from '../checkpoint.ts';
import { readOptionalJsonFile } from '../json-file.ts';
import { compareBaseName } from './base-identity.ts';
import { type BaseModel, baseTensors, openBaseModel } from './base-model.ts';
import type { AdapterArgument, MergeRequest } from './merge-request.ts';
import { ADAPTER_CONFIG, openPeftAdapter, type PeftAdapter } from './peft-adapter.ts';
import { assignRoles, type LoraPair } from './tensor-roles.ts';
import { readTextFiles, type TextFiles } from './text-files.ts';
import { openVoraCheckpoint, refuseOtherModel, type VoraCheckpoint } from './vora-checkpoint.ts';

/** All files of a merge, opened; every tensor has its role, but what adapters make of the base is not worked out yet. */
export interface OpenedInputs {
  readonly description: string;
  /** The API's name, unless it is given. */
  readonly name: string;
  /** config.json of the model that the weights come from. */
  readonly sourceConfig: object;
  /** Null for a model of text only. */
  readonly vision: VisionInputs | null;
  /** Tensors that are no part of the result. */
  readonly dropped: readonly TensorRef[];
  readonly text: TextFiles;
  /** Name in the provenance to path, for every file read. */
  readonly files: ReadonlyMap<string, string>;
  readonly folders: readonly string[];
  /** Bytes of all tensors. */
  readonly inputBytes: number;
  readonly warnings: readonly string[];
  close(): Promise<void>;
  /** Of the model that the weights come from, before any adapter. */
  readonly llm: LlmShape;
  /** Its config.json, for messages. */
  readonly configFile: string;
  /** Hugging Face name to base weight. */
  readonly tensors: ReadonlyMap<string, TensorRef>;
  /** VoRA's own adapters, by name of the weight. */
  readonly lora: ReadonlyMap<string, LoraPair>;
  readonly loraWeight: number;
  readonly adapters: readonly PeftAdapter[];
}

export interface VisionInputs {
  readonly config: VoraConfig;
  readonly preprocessor: PreprocessorConfig;
  readonly tensors: ReadonlyMap<string, TensorRef>;
}

/** @throws BadInput, MalformedFile */
export async function openInputs(request: MergeRequest): Promise<OpenedInputs> {
  const { voraArgument, basePath, peftArguments } = await sortOut(request);
  const closing: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(closing.map((one) => one()));
  };
  try {
    const vora = voraArgument === null ? null : await openVoraCheckpoint(voraArgument.path, request.image);
    closing.push(async () => vora?.checkpoint.close());
    const base = basePath === null ? null : await openBaseModel(basePath);
    closing.push(async () => base?.checkpoint.close());
    const adapters: PeftAdapter[] = [];
    for (const argument of peftArguments) {
      const adapter = await openPeftAdapter(argument, request.baseIsResidual);
      adapters.push(adapter);
      closing.push(() => adapter.close());
    }
    const parts = { vora, base, adapters };
    const warnings = compareNames(parts, request.trustBase);
    const model = vora !== null ? voraModel(vora, base) : plainModel(base);
    const text = await readTextFiles(textFolders(parts));
    const folders = [vora?.folder, base?.folder, ...adapters.map(({ folder }) => folder)].filter(
      (path) => path !== undefined,
    );
    return {
      ...model,
      description: [base?.folder, vora?.folder, ...adapters.map(describeAdapter)].filter(Boolean).join(' + '),
      name: basename(resolve(vora?.folder ?? adapters[0]?.folder ?? folders[0] ?? '')),
      loraWeight: voraArgument?.weight ?? 1,
      adapters,
      text,
      files: provenance(parts, text.files),
      folders,
      inputBytes: [vora?.checkpoint, base?.checkpoint].reduce(
        (sum, checkpoint) => sum + tensorBytes(checkpoint),
        adapters.reduce((sum, { bytes }) => sum + bytes, 0),
      ),
      warnings: [...model.warnings, ...warnings, ...adapters.flatMap(({ config }) => config.warnings)],
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Parts {
  readonly vora: VoraCheckpoint | null;
  readonly base: BaseModel | null;
  readonly adapters: readonly PeftAdapter[];
}

/** Which of the given folders is a VoRA checkpoint, which the plain model, which are PEFT's. */
async function sortOut({ path, base, adapters }: MergeRequest): Promise<{
  voraArgument: AdapterArgument | null;
  basePath: string | null;
  peftArguments: readonly AdapterArgument[];
}> {
  if (adapters.length > ADAPTERS_MAX) {
    throw new BadInput(`--adapter: found ${adapters.length}, expected at most ${ADAPTERS_MAX}`);
  }
  const isPlain = path !== null && (await isPlainModel(path));
  if (isPlain && base !== null) {
    throw new BadInput(`${path}: found a plain model beside --base ${base}, expected one of both`);
  }
  const voras: AdapterArgument[] = path === null || isPlain ? [] : [{ path, weight: 1 }];
  const peftArguments: AdapterArgument[] = [];
  for (const adapter of adapters) {
    const isVora = !(await exists(join(adapter.path, ADAPTER_CONFIG))) && (await modelType(adapter.path)) === 'vora';
    (isVora ? voras : peftArguments).push(adapter);
  }
  const [voraArgument = null, second] = voras;
  if (second !== undefined) {
    throw new BadInput(
      `${second.path}: found a second VoRA checkpoint, expected one: a model has one vision embedding`,
    );
  }
  const basePath = isPlain ? path : base;
  if (voraArgument === null && basePath === null) {
    throw new BadInput(
      'found no model, expected a VoRA checkpoint, or --base with the model that the adapters are for',
    );
  }
  return { voraArgument, basePath, peftArguments };
}

async function isPlainModel(folder: string): Promise<boolean> {
  const type = await modelType(folder);
  return type !== undefined && type !== 'vora';
}

async function modelType(folder: string): Promise<unknown> {
  const config = await readOptionalJsonFile(join(folder, 'config.json'));
  return typeof config === 'object' && config !== null ? Reflect.get(config, 'model_type') : undefined;
}

type Model = Pick<
  OpenedInputs,
  'llm' | 'configFile' | 'sourceConfig' | 'tensors' | 'lora' | 'dropped' | 'vision' | 'warnings'
>;

function voraModel(vora: VoraCheckpoint, base: BaseModel | null): Model {
  const { config, preprocessor } = vora;
  if (base !== null) {
    refuseOtherModel(base, config.llm);
  }
  const roles = assignRoles(config, vora.checkpoint.tensors, base?.checkpoint.tensors ?? null);
  return {
    llm: config.llm,
    configFile: vora.configFile,
    sourceConfig: base?.config ?? vora.json,
    tensors: roles.llm,
    lora: roles.lora,
    dropped: roles.dropped,
    vision: { config, preprocessor, tensors: roles.vision },
    warnings: [...vora.warnings, ...roles.warnings],
  };
}

function plainModel(base: BaseModel | null): Model {
  if (base === null) {
    throw new BadInput('found no --base, expected the model that the adapters were trained on');
  }
  const { llm, configFile, config, checkpoint } = base;
  const { llm: tensors, dropped } = baseTensors(llm, checkpoint.tensors, configFile);
  return {
    llm,
    configFile,
    sourceConfig: config,
    tensors,
    lora: new Map(),
    dropped,
    vision: null,
    warnings: [],
  };
}

function compareNames({ vora, base, adapters }: Parts, trustBase: boolean): string[] {
  if (base === null || trustBase) {
    return [];
  }
  const warnings: string[] = [];
  if (vora !== null) {
    const named: unknown = Reflect.get(vora.json, 'llm');
    // Every number of VoRA's own config is compared with the base's, so that a name that says nothing is no warning.
    compareBaseName({ file: vora.configFile, field: 'llm', value: typeof named === 'string' ? named : null }, base);
  }
  for (const { config, configFile } of vora === null ? adapters : []) {
    const named = { file: configFile, field: 'base_model_name_or_path', value: config.baseName };
    const warning = compareBaseName(named, base);
    warnings.push(...(warning === null ? [] : [warning]));
  }
  return warnings;
}

/** Whoever changed the vocabulary knows its words; else whoever was trained last. */
function textFolders({ vora, base, adapters }: Parts): string[] {
  const folders = [vora?.folder, ...adapters.map(({ folder }) => folder), base?.folder];
  return folders.filter((path) => path !== undefined);
}

/** Every file by the folder it was found in. */
function provenance({ vora, base, adapters }: Parts, textFiles: readonly string[]): Map<string, string> {
  const found: { prefix: string; folder: string; files: readonly string[] }[] = [];
  if (vora !== null) {
    found.push({ prefix: 'checkpoint', folder: vora.folder, files: vora.files });
  }
  adapters.forEach(({ folder, files }, index) => {
    found.push({ prefix: adapters.length === 1 ? 'adapter' : `adapter-${index + 1}`, folder, files });
  });
  if (base !== null) {
    found.push({ prefix: 'base', folder: base.folder, files: [base.configFile, ...base.checkpoint.files] });
  }
  const names = new Map<string, string>();
  for (const { prefix, folder, files } of found) {
    const beside = textFiles.filter((path) => resolve(dirname(path)) === resolve(folder));
    [...files, ...beside].forEach((path) => names.set(`${prefix}/${relative(folder, path)}`, path));
  }
  return names;
}

function describeAdapter({ folder, weight }: PeftAdapter): string {
  return weight === 1 ? folder : `${weight} × ${folder}`;
}

function tensorBytes(checkpoint: Checkpoint | undefined): number {
  return [...(checkpoint?.tensors.values() ?? [])].reduce((sum, { start, end }) => sum + end - start, 0);
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
