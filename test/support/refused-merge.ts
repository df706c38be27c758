import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { tempFolder } from './checkpoint-folder.ts';
import { type CliResult, runInProcess } from './run-cli.ts';

/** Merges, expects the exit code, and that neither the output nor a partial one was begun. */
export async function refused(code: number, ...args: string[]): Promise<string> {
  const out = join(await tempFolder(), 'merged');
  const result: CliResult = await runInProcess('merge', ...args, '--out', out);
  expect(result.code).toBe(code);
  expect(existsSync(out) || existsSync(`${out}.partial`)).toBe(false);
  return result.stderr;
}

export async function changeJson(path: string, change: (json: Record<string, unknown>) => void): Promise<void> {
  const json = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
  change(json);
  await writeFile(path, JSON.stringify(json));
}
