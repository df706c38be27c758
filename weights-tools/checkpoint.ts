import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { MalformedFile } from '../src/core/bytes/malformed-file.ts';
import { parseSafetensorsHeader, type TensorInfo } from '../src/core/bytes/safetensors.ts';
import { parseWithSchema } from '../src/core/model/parse-with-schema.ts';
import { BadInput } from './bad-input.ts';
import { type FileSource, openFileSource } from './file-source.ts';
import { readJsonFile } from './json-file.ts';

/** A tensor and the open file that holds it. */
export interface TensorRef extends TensorInfo {
  readonly source: FileSource;
}

export interface Checkpoint {
  readonly folder: string;
  /** Files that were opened, as paths: the shards, and the index if there is one. */
  readonly files: readonly string[];
  /** File by file, in the order of the data; by name without what DeepSpeed puts before every name. */
  readonly tensors: ReadonlyMap<string, TensorRef>;
  close(): Promise<void>;
}

export const SINGLE_FILE = 'model.safetensors';
export const INDEX_FILE = 'model.safetensors.index.json';

/** Only the names, as a Map: weight_map's keys come from outside. */
const indexSchema = z.looseObject({ weight_map: z.looseObject({}) });

/** What PyTorch pickles are called; a pickle is a program, and only PyTorch should run it. */
const PICKLE = /\.(bin|pt|pth|ckpt)$/;

/**
 * Opens a folder with one model.safetensors or with an index and its shards, or a single safetensors file. Reads
 * headers only. Index and shards must agree exactly.
 *
 * @throws MalformedFile, BadInput
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  const checkpoint = await openAsNamed(path);
  return { ...checkpoint, tensors: withoutNesting(checkpoint.tensors) };
}

async function openAsNamed(path: string): Promise<Checkpoint> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) {
    throw new BadInput(`${path}: found nothing, expected a model folder or a safetensors file`);
  }
  if (found.isFile()) {
    refusePickle(path, [basename(path)]);
    return openShards(dirname(path), [basename(path)]);
  }
  const [single, index] = await Promise.all([exists(join(path, SINGLE_FILE)), exists(join(path, INDEX_FILE))]);
  if (single && index) {
    throw new BadInput(`${path}: found both ${SINGLE_FILE} and ${INDEX_FILE}, expected one: which model is it?`);
  }
  if (single) {
    return openShards(path, [SINGLE_FILE]);
  }
  if (index) {
    return openIndexed(path);
  }
  refusePickle(path, await readdir(path));
  throw new BadInput(`${path}: found neither ${SINGLE_FILE} nor ${INDEX_FILE}, expected one of them`);
}

/** @throws BadInput with what converts it, for the first of `names` that is a pickle */
export function refusePickle(path: string, names: readonly string[]): void {
  const pickle = names.find((name) => PICKLE.test(name));
  if (pickle !== undefined) {
    throw new BadInput(
      `${path}: found ${pickle}, a PyTorch pickle, expected safetensors. Convert each such file with Python:\n` +
        `  python -c "${CONVERT}" ${pickle} ${pickle.replace(PICKLE, '.safetensors')}`,
    );
  }
}

/** Takes what DeepSpeed nests out of `module`; tensors that share memory become copies, as the format wants. */
const CONVERT = [
  'import sys, torch',
  'from safetensors.torch import save_file',
  "s = torch.load(sys.argv[1], map_location='cpu', weights_only=True)",
  "s = s.get('module', s.get('state_dict', s))",
  "save_file({k: v.clone().contiguous() for k, v in s.items()}, sys.argv[2], {'format': 'pt'})",
].join('; ');

async function openIndexed(folder: string): Promise<Checkpoint> {
  const indexPath = join(folder, INDEX_FILE);
  const { weight_map: entries } = parseWithSchema(indexSchema, indexPath, await readJsonFile(indexPath));
  const shardOf = new Map<string, string>();
  for (const [name, file] of Object.entries(entries)) {
    shardOf.set(name, requireFileName(indexPath, name, file));
  }
  const checkpoint = await openShards(folder, [...new Set(shardOf.values())].sort());
  try {
    for (const [name, file] of shardOf) {
      const holder = checkpoint.tensors.get(name)?.source.name;
      if (holder !== join(folder, file)) {
        const found = holder === undefined ? 'in no shard' : `in ${basename(holder)}`;
        throw new MalformedFile(
          indexPath,
          `weight_map ${JSON.stringify(name)}`,
          `the tensor ${found}`,
          `it in ${file}`,
        );
      }
    }
    for (const { name, source } of checkpoint.tensors.values()) {
      if (!shardOf.has(name)) {
        throw new MalformedFile(source.name, `tensor ${JSON.stringify(name)}`, 'no entry in the index', 'one');
      }
    }
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
  return { ...checkpoint, files: [indexPath, ...checkpoint.files] };
}

/** A name in the index is a path chosen by whoever made the checkpoint: it must not leave the folder. */
function requireFileName(indexPath: string, tensor: string, file: unknown): string {
  if (typeof file !== 'string' || !/^[\w.-]+\.safetensors$/.test(file) || file.startsWith('.')) {
    const place = `weight_map ${JSON.stringify(tensor)}`;
    const found = (JSON.stringify(file) ?? 'nothing').slice(0, 80);
    throw new MalformedFile(indexPath, place, found, 'the plain name of a .safetensors file in the same folder');
  }
  return file;
}

async function openShards(folder: string, names: readonly string[]): Promise<Checkpoint> {
  const sources: FileSource[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(sources.map((source) => source.close()));
  };
  try {
    const tensors = new Map<string, TensorRef>();
    for (const name of names) {
      const source = await openShard(join(folder, name));
      sources.push(source);
      for (const info of (await parseSafetensorsHeader(source)).tensors.values()) {
        const other = tensors.get(info.name);
        if (other !== undefined) {
          const found = `it in ${basename(other.source.name)} as well`;
          throw new MalformedFile(source.name, `tensor ${JSON.stringify(info.name)}`, found, 'it in one shard');
        }
        tensors.set(info.name, { ...info, source });
      }
    }
    return { folder, files: sources.map((source) => source.name), tensors, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Takes away DeepSpeed's `module.`, where it stands before every name. */
function withoutNesting(tensors: ReadonlyMap<string, TensorRef>): ReadonlyMap<string, TensorRef> {
  let named = tensors;
  for (let depth = 0; depth < NESTING_MAX && [...named.keys()].every((name) => name.startsWith(NESTING)); depth += 1) {
    named = new Map([...named].map(([name, tensor]) => [name.slice(NESTING.length), tensor]));
  }
  return named;
}

const NESTING = 'module.';
/** A wrapper in a wrapper: more than that nobody saves. */
const NESTING_MAX = 2;

/** A link may lead to a regular file, as in the Hugging Face cache: whoever may read that file may merge it. */
async function openShard(path: string): Promise<FileSource> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) {
    throw new BadInput(`${path}: found nothing, expected the shard that the index names`);
  }
  if (!found.isFile()) {
    throw new BadInput(`${path}: found no regular file, expected one`);
  }
  return openFileSource(path);
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
