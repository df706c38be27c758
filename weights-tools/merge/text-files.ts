import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { MalformedFile } from '../../src/core/bytes/malformed-file.ts';
import { MODEL_JSON_MAX_BYTES } from '../checkpoint-limits.ts';
import { parseWithSchema } from '../../src/core/model/parse-with-schema.ts';
import { BadInput } from '../bad-input.ts';
import { readJsonFile } from '../json-file.ts';

/** Tokenizer and generation settings of a model. */
export interface TextFiles {
  /** Paths of the files that were read. */
  readonly files: readonly string[];
  /** Output name to content. */
  readonly contents: ReadonlyMap<string, string | Uint8Array>;
}

const TOKENIZER = 'tokenizer.json';
const TOKENIZER_CONFIG = 'tokenizer_config.json';
/** The processor's template: what VoRA was trained with, where tokenizer_config.json still has the language model's. */
const PROCESSOR_TEMPLATE = 'chat_template.json';
const JINJA_TEMPLATE = 'chat_template.jinja';
export const GENERATION_CONFIG = 'generation_config.json';
const COPIED = [
  TOKENIZER,
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'tokenizer.model',
  JINJA_TEMPLATE,
];

/**
 * Collects the text side of the model from the first of `folders` that has a tokenizer: a checkpoint's or adapter's own
 * before its base's, never a mixture. Only generation_config.json may come from a later one, as adapters have none.
 *
 * @throws BadInput, MalformedFile
 */
export async function readTextFiles(folders: readonly string[]): Promise<TextFiles> {
  const folder = await firstWith(folders, TOKENIZER);
  if (folder === undefined) {
    throw new BadInput(`${folders.join(', ')}: found no ${TOKENIZER}, expected one beside the weights`);
  }
  const contents = new Map<string, string | Uint8Array>();
  const files: string[] = [];
  const copy = async (from: string, name: string): Promise<void> => {
    const path = join(from, name);
    if (await exists(path)) {
      contents.set(name, await readBounded(path));
      files.push(path);
    }
  };
  for (const name of [...COPIED, TOKENIZER_CONFIG]) {
    await copy(folder, name);
  }
  await copy((await firstWith(folders, GENERATION_CONFIG)) ?? folder, GENERATION_CONFIG);
  const template = join(folder, PROCESSOR_TEMPLATE);
  if (await exists(template)) {
    files.push(template);
    contents.set(TOKENIZER_CONFIG, await withProcessorTemplate(folder, contents.has(TOKENIZER_CONFIG)));
    contents.delete(JINJA_TEMPLATE);
  }
  return { files, contents };
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

async function readBounded(path: string): Promise<Uint8Array> {
  const { size } = await stat(path);
  if (size > MODEL_JSON_MAX_BYTES) {
    throw new MalformedFile(path, 'size', `${size} bytes`, `at most ${MODEL_JSON_MAX_BYTES}`);
  }
  return readFile(path);
}

async function firstWith(folders: readonly string[], name: string): Promise<string | undefined> {
  for (const folder of folders) {
    if (await exists(join(folder, name))) {
      return folder;
    }
  }
  return undefined;
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
