import { stat } from 'node:fs/promises';
import { MalformedFile } from '../src/core/bytes/malformed-file.ts';
import { decodeUtf8, parseStrictJson } from '../src/core/bytes/strict-json.ts';
import { MODEL_JSON_MAX_BYTES } from './checkpoint-limits.ts';
import { openFileSource } from './file-source.ts';

/** @throws MalformedFile */
export async function readJsonFile(path: string): Promise<unknown> {
  const source = await openFileSource(path);
  try {
    if (source.byteLength > MODEL_JSON_MAX_BYTES) {
      throw new MalformedFile(path, 'size', `${source.byteLength} bytes`, `at most ${MODEL_JSON_MAX_BYTES}`);
    }
    return parseStrictJson(path, decodeUtf8(path, await source.slice(0, source.byteLength)));
  } finally {
    await source.close();
  }
}

/** Like {@link readJsonFile}, but undefined where there is no such file. */
export async function readOptionalJsonFile(path: string): Promise<unknown> {
  return (await stat(path).catch(() => undefined)) === undefined ? undefined : readJsonFile(path);
}
