import { createHash } from 'node:crypto';
import { layoutSafetensors } from '../../src/core/bytes/safetensors-layout.ts';
import type { SeeingManifest } from '../../src/core/model/manifest.ts';
import type { ArtifactFolder } from '../artifact-folder.ts';
import { BadInput } from '../bad-input.ts';
import type { TensorRef } from '../checkpoint.ts';
import { visionConfig } from '../merge/merged-config.ts';
import { VISION_FILE } from '../merge/plan.ts';

/**
 * Writes `vision/` as `vora merge` does, byte for byte: weights keep their dtype, so that the hash that ties embeddings to
 * the language model is the same. Holds the vision embedding once, 16 MB at 7B size.
 *
 * @throws BadInput when it is not the embedding that the manifest names
 */
export async function writeVisionFolder(
  folder: ArtifactFolder,
  manifest: SeeingManifest,
  tensors: ReadonlyMap<string, TensorRef>,
): Promise<void> {
  const layout = layoutSafetensors([...tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape })));
  const file = new Uint8Array(layout.byteLength);
  file.set(layout.header);
  for (const [name, { start, end }] of layout.tensors) {
    const tensor = tensors.get(name);
    await tensor?.source.readInto(file.subarray(start, end), tensor.start);
  }
  const sha256 = createHash('sha256').update(file).digest('hex');
  if (sha256 !== manifest.vision.sha256) {
    throw new BadInput(
      `${VISION_FILE}: found sha256 ${sha256}, expected ${manifest.vision.sha256}, as the merge had it`,
    );
  }
  await folder.write(VISION_FILE, file);
  await folder.write('vision/config.json', `${JSON.stringify(visionConfig(manifest, manifest.vision), null, 2)}\n`);
}
