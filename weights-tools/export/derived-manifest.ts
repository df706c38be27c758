import { join } from 'node:path';
import { MANIFEST_FILE, type FileDigest, type Manifest } from '../../src/core/model/manifest.ts';
import { digestFile } from '../digest.ts';
import { toolStamp } from '../tool-stamp.ts';
import type { MergedModel } from './merged-model.ts';

/**
 * The manifest of an artifact made from a merged folder: same model, and the folder's files as inputs, its vora.json first.
 */
export async function derivedManifest(
  { folder, manifest }: Pick<MergedModel, 'folder' | 'manifest'>,
  artifact: { kind: Manifest['kind']; weights: string; inputs: readonly FileDigest[] },
): Promise<Omit<Manifest, 'artifacts'>> {
  const source = { path: MANIFEST_FILE, ...(await digestFile(join(folder, MANIFEST_FILE))) };
  return {
    format: manifest.format,
    formatVersion: manifest.formatVersion,
    kind: artifact.kind,
    name: manifest.name,
    weights: artifact.weights,
    llm: manifest.llm,
    vision: manifest.vision,
    provenance: {
      ...(await toolStamp()),
      mergePrecision: manifest.provenance.mergePrecision,
      inputs: [source, ...artifact.inputs],
    },
  };
}
