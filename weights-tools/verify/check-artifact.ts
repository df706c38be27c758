import { readdir, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { type Manifest, MANIFEST_FILE, manifestSchema } from '../../src/core/model/manifest.ts';
import { parseWithSchema } from '../../src/core/model/parse-with-schema.ts';
import { BadInput } from '../bad-input.ts';
import { verifyFile } from '../export/merged-model.ts';
import { readJsonFile } from '../json-file.ts';
import { withProgress } from '../progress.ts';

/**
 * Compares every file of an artifact folder with its manifest.
 *
 * @throws BadInput naming every file that is missing, of another size or hash, or not listed; MalformedFile
 */
export async function checkArtifact(
  folder: string,
  signal: AbortSignal,
): Promise<{ kind: Manifest['kind']; files: number; bytes: number }> {
  const path = join(folder, MANIFEST_FILE);
  if ((await stat(path).catch(() => undefined)) === undefined) {
    throw new BadInput(`${folder}: found no ${MANIFEST_FILE}, expected a finished artifact folder`);
  }
  const { kind, artifacts } = parseWithSchema(manifestSchema, path, await readJsonFile(path));
  const bytes = artifacts.reduce((sum, file) => sum + file.bytes, 0);
  const faults = await withProgress('sha256', bytes, async (progress) => {
    const onBytes = (count: number): void => {
      progress.advance(count);
    };
    const found: string[] = [];
    for (const file of artifacts) {
      await verifyFile(folder, file, { onBytes, signal }).catch((error: unknown) => {
        if (!(error instanceof BadInput)) {
          throw error;
        }
        found.push(error.message);
      });
    }
    return found;
  });
  const listed = new Set([MANIFEST_FILE, ...artifacts.map((file) => file.path)]);
  const unlisted = (await filesBelow(folder)).filter((name) => !listed.has(name));
  faults.push(...unlisted.map((name) => `${join(folder, name)}: found a file that ${MANIFEST_FILE} does not list`));
  if (faults.length > 0) {
    throw new BadInput(faults.join('\n'));
  }
  return { kind, files: artifacts.length, bytes };
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}
