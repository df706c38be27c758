import { lstat, stat } from 'node:fs/promises';
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
  /** File by file, in the order of the data. */
  readonly tensors: ReadonlyMap<string, TensorRef>;
  close(): Promise<void>;
}

export const SINGLE_FILE = 'model.safetensors';
export const INDEX_FILE = 'model.safetensors.index.json';

/** Only the names, as a Map: weight_map's keys come from outside. */
const indexSchema = z.looseObject({ weight_map: z.looseObject({}) });

/**
 * Opens a folder with one model.safetensors or with an index and its shards, or a single safetensors file. Reads
 * headers only. Index and shards must agree exactly.
 *
 * @throws MalformedFile, BadInput
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) {
    throw new BadInput(`${path}: found nothing, expected a model folder or a safetensors file`);
  }
  if (found.isFile()) {
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
  throw new BadInput(`${path}: found neither ${SINGLE_FILE} nor ${INDEX_FILE}, expected one of them`);
}

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

async function openShard(path: string): Promise<FileSource> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) {
    throw new BadInput(`${path}: found nothing, expected the shard that the index names`);
  }
  if (!found.isFile()) {
    const hint = found.isSymbolicLink() ? ' (copy models out of the Hugging Face cache: hf download --local-dir)' : '';
    const kind = found.isSymbolicLink() ? 'a symbolic link' : 'no regular file';
    throw new BadInput(`${path}: found ${kind}, expected a regular file${hint}`);
  }
  return openFileSource(path);
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
