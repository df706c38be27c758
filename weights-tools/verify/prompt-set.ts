import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { MalformedFile } from '../../src/core/bytes/malformed-file.ts';
import { decodeUtf8, parseStrictJson } from '../../src/core/bytes/strict-json.ts';
import { MODEL_JSON_MAX_BYTES, VERIFY_PROMPTS_MAX } from '../checkpoint-limits.ts';
import { parseWithSchema } from '../../src/core/model/parse-with-schema.ts';
import { BadInput } from '../bad-input.ts';

export interface Question {
  readonly prompt: string;
  /** Path of a picture that stands before the prompt. */
  readonly image: string | null;
  /** What a right model says, word for word. */
  readonly answer: string | null;
  /** What it asks for, to count by. */
  readonly kind: string | null;
}

/** Name of the list in a folder of pictures, as `python -m training heldout` writes it. */
const LIST_FILE = 'questions.jsonl';

/** Questions that models/vora-tiny knows the answers to; any other model is compared on its own words. */
export const DEFAULT_PROMPTS = fileURLToPath(new URL('../../examples/prompts.jsonl', import.meta.url));

const text = z.string().min(1);
const lineSchema = z
  .looseObject({
    prompt: text.optional(),
    question: text.optional(),
    image: text.nullish(),
    answer: text.nullish(),
    kind: text.nullish(),
  })
  .refine(({ prompt, question }) => (prompt === undefined) !== (question === undefined), 'expected a prompt');

/**
 * Reads one JSON object a line: `prompt` (or `question`), and optionally `image`, a path relative to the file, `answer` and
 * `kind`. A folder stands for its questions.jsonl, or for those of all folders in it.
 *
 * @throws BadInput, MalformedFile naming the line
 */
export async function readPromptSet(path: string): Promise<Question[]> {
  const questions: Question[] = [];
  for (const file of await listFiles(path)) {
    questions.push(...(await readFileOfPrompts(file)));
  }
  if (questions.length === 0 || questions.length > VERIFY_PROMPTS_MAX) {
    throw new MalformedFile(path, 'lines', `${questions.length} prompts`, `1 to ${VERIFY_PROMPTS_MAX}`);
  }
  return questions;
}

async function listFiles(path: string): Promise<string[]> {
  const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() === true;
  if (!isFolder) {
    return [path];
  }
  const names = (await readdir(path)).sort();
  return names.includes(LIST_FILE)
    ? [join(path, LIST_FILE)]
    : findFiles(names.map((name) => join(path, name, LIST_FILE)));
}

async function findFiles(paths: readonly string[]): Promise<string[]> {
  const found = await Promise.all(paths.map((path) => stat(path).catch(() => undefined)));
  return paths.filter((_, index) => found[index]?.isFile() === true);
}

async function readFileOfPrompts(file: string): Promise<Question[]> {
  const { size } = await stat(file).catch(() => {
    throw new BadInput(`${file}: found nothing, expected a prompt set: one JSON object a line`);
  });
  if (size > MODEL_JSON_MAX_BYTES) {
    throw new MalformedFile(file, 'size', `${size} bytes`, `at most ${MODEL_JSON_MAX_BYTES}`);
  }
  const lines = decodeUtf8(file, await readFile(file)).split('\n');
  return lines.flatMap((line, index) => (line.trim() === '' ? [] : [parseLine(file, index + 1, line)]));
}

function parseLine(file: string, number: number, line: string): Question {
  const place = `${file}: line ${number}`;
  const { prompt, question, image, answer, kind } = parseWithSchema(lineSchema, place, parseStrictJson(place, line));
  return {
    prompt: prompt ?? question ?? '',
    image: image === null || image === undefined ? null : resolve(dirname(file), image),
    answer: answer ?? null,
    kind: kind ?? null,
  };
}
