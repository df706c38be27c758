import { basename } from 'node:path';
import { Option } from 'commander';
import type { FileDigest, LlmFacts } from '../../src/core/model/manifest.ts';
import { type Importance, readImportance } from '../calibrate/importance-file.ts';
import { digestFile } from '../digest.ts';

/** What `--importance` names, read. */
export interface RequestedImportance {
  readonly importance: Importance;
  /** For the provenance. */
  readonly file: FileDigest;
}

/** `--importance`: what a calibration run found to count. */
export function importanceOption(): Option {
  return new Option('--importance <file>', 'from vora calibrate: round where it costs the answers least');
}

/** @throws BadInput, MalformedFile */
export async function requestedImportance(
  path: string | undefined,
  llm: LlmFacts,
): Promise<RequestedImportance | null> {
  if (path === undefined) {
    return null;
  }
  const file = { path: `importance/${basename(path)}`, ...(await digestFile(path)) };
  return { importance: await readImportance(path, llm), file };
}
