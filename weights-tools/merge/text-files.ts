import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { parseWithSchema } from '../../src/core/model/parse-with-schema.ts';
import { BadInput } from '../bad-input.ts';
import { readJsonFile } from '../json-file.ts';

/** Tokenizer and generation settings of a model folder. */
export interface TextFiles {
  readonly folder: string;
  /** Names of the files that were read. */
  readonly names: readonly string[];
  /** Output name to content. */
  readonly contents: ReadonlyMap<string, string | Uint8Array>;
}

const TOKENIZER = 'tokenizer.json';
const TOKENIZER_CONFIG = 'tokenizer_config.json';
/** The processor's template: what VoRA was trained with, where tokenizer_config.json still has the language model's. */
const PROCESSOR_TEMPLATE = 'chat_template.json';
export const GENERATION_CONFIG = 'generation_config.json';
const COPIED = [
  TOKENIZER,
  GENERATION_CONFIG,
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'chat_template.jinja',
];

/**
 * Collects the text side of the model from the first of `folders` that has a tokenizer: a checkpoint's own before its
 * base's, never a mixture.
 *
 * @throws BadInput, MalformedFile
 */
export async function readTextFiles(folders: readonly string[]): Promise<TextFiles> {
  const folder = await firstWith(folders, TOKENIZER);
  const contents = new Map<string, string | Uint8Array>();
  const names: string[] = [];
  for (const name of COPIED) {
    if (await exists(join(folder, name))) {
      contents.set(name, await readFile(join(folder, name)));
      names.push(name);
    }
  }
  if (await exists(join(folder, TOKENIZER_CONFIG))) {
    names.push(TOKENIZER_CONFIG);
    contents.set(TOKENIZER_CONFIG, await readFile(join(folder, TOKENIZER_CONFIG)));
  }
  if (await exists(join(folder, PROCESSOR_TEMPLATE))) {
    names.push(PROCESSOR_TEMPLATE);
    contents.set(TOKENIZER_CONFIG, await withProcessorTemplate(folder, contents.has(TOKENIZER_CONFIG)));
    contents.delete('chat_template.jinja');
  }
  return { folder, names, contents };
}

async function withProcessorTemplate(folder: string, hasConfig: boolean): Promise<string> {
  const config = hasConfig ? await readObject(join(folder, TOKENIZER_CONFIG), z.looseObject({})) : {};
  const schema = z.looseObject({ chat_template: z.string().min(1) });
  const { chat_template: template } = await readObject(join(folder, PROCESSOR_TEMPLATE), schema);
  return `${JSON.stringify({ ...config, chat_template: template }, null, 2)}\n`;
}

async function readObject<T>(path: string, schema: z.ZodType<T>): Promise<T> {
  return parseWithSchema(schema, path, await readJsonFile(path));
}

async function firstWith(folders: readonly string[], name: string): Promise<string> {
  for (const folder of folders) {
    if (await exists(join(folder, name))) {
      return folder;
    }
  }
  throw new BadInput(`${folders.join(', ')}: found no ${name}, expected one beside the weights`);
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
