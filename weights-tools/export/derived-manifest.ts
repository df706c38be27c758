import type { FileDigest, Manifest } from '../../src/core/model/manifest.ts';
import { toolStamp } from '../tool-stamp.ts';

/** The manifest of an artifact made from a merged model: the same model, and `inputs`, the files it was made from. */
export async function derivedManifest(
  manifest: Manifest,
  artifact: { kind: Manifest['kind']; weights: string; inputs: readonly FileDigest[] },
): Promise<Omit<Manifest, 'artifacts'>> {
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
      inputs: [...artifact.inputs],
    },
  };
}
