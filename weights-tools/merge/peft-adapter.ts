import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type AdapterPart, parseAdapterName } from '../../src/core/model/adapter-names.ts';
import { BadInput } from '../bad-input.ts';
import { openCheckpoint, refusePickle, type TensorRef } from '../checkpoint.ts';
import { readJsonFile } from '../json-file.ts';
import { leftover, refuseProblems, where } from '../tensor-set.ts';
import { parsePeftConfig, type PeftConfig } from './peft-config.ts';

/** What an adapter has for one module of the language model. */
export interface AdapterModule {
  readonly peftModule: string;
  readonly parts: ReadonlyMap<AdapterPart, TensorRef>;
}

export interface PeftAdapter {
  readonly folder: string;
  readonly configFile: string;
  readonly config: PeftConfig;
  /** What the command line gives it. */
  readonly weight: number;
  /** Module to its tensors; every tensor of the file is in here. */
  readonly modules: ReadonlyMap<string, AdapterModule>;
  /** Paths of the files that were read. */
  readonly files: readonly string[];
  readonly bytes: number;
  close(): Promise<void>;
}

export const ADAPTER_CONFIG = 'adapter_config.json';
export const ADAPTER_WEIGHTS = 'adapter_model.safetensors';

/**
 * Opens an adapter that PEFT saved. Reads headers only.
 *
 * @throws BadInput, MalformedFile
 */
export async function openPeftAdapter(
  { path: folder, weight }: { readonly path: string; readonly weight: number },
  baseIsResidual: boolean,
): Promise<PeftAdapter> {
  const configFile = join(folder, ADAPTER_CONFIG);
  if ((await stat(configFile).catch(() => undefined)) === undefined) {
    throw new BadInput(`${folder}: found no ${ADAPTER_CONFIG}, expected a folder that PEFT or VoRA saved`);
  }
  const config = parsePeftConfig(configFile, await readJsonFile(configFile), baseIsResidual);
  const names = await readdir(folder);
  if (!names.includes(ADAPTER_WEIGHTS)) {
    refusePickle(folder, names);
    throw new BadInput(`${folder}: found no ${ADAPTER_WEIGHTS}, expected one beside ${ADAPTER_CONFIG}`);
  }
  const checkpoint = await openCheckpoint(join(folder, ADAPTER_WEIGHTS));
  try {
    const tensors = [...checkpoint.tensors.values()];
    return {
      folder,
      configFile,
      config,
      weight,
      modules: groupByModule(checkpoint.tensors, configFile),
      files: [configFile, ...checkpoint.files],
      bytes: tensors.reduce((sum, { start, end }) => sum + end - start, 0),
      close: () => checkpoint.close(),
    };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

function groupByModule(tensors: ReadonlyMap<string, TensorRef>, configFile: string): Map<string, AdapterModule> {
  const modules = new Map<string, { peftModule: string; parts: Map<AdapterPart, TensorRef> }>();
  const problems: string[] = [];
  for (const [key, tensor] of tensors) {
    const name = parseAdapterName(key);
    if (name === null) {
      problems.push(leftover(tensor));
      continue;
    }
    const { peftModule, module, part } = name;
    const { parts } = modules.get(module) ?? { parts: new Map<AdapterPart, TensorRef>() };
    if (parts.has(part)) {
      problems.push(`${where(tensor)}: found it under two names, expected one`);
    }
    modules.set(module, { peftModule, parts: parts.set(part, tensor) });
  }
  refuseProblems(problems, configFile);
  return modules;
}
