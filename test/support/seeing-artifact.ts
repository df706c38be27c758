import { isSeeing, type SeeingManifest } from '../../src/core/model/manifest.ts';
import { type Artifact, loadArtifact } from '../../src/endpoint/load-artifact.ts';

export interface SeeingArtifact extends Artifact {
  readonly manifest: SeeingManifest;
  readonly graphs: Artifact['graphs'] & { patchEmbed: string };
}

/** An onnx/ folder of a model that sees. */
export async function loadSeeingArtifact(folder: string): Promise<SeeingArtifact> {
  const artifact = await loadArtifact(folder);
  const { manifest, graphs } = artifact;
  if (!isSeeing(manifest) || graphs.patchEmbed === null) {
    throw new Error(`${folder} holds a model of text only`);
  }
  return { ...artifact, manifest, graphs: { ...graphs, patchEmbed: graphs.patchEmbed } };
}
