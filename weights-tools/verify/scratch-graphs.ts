import { join } from 'node:path';
import { isSeeing, type Manifest } from '../../src/core/model/manifest.ts';
import { beginArtifactFolder } from '../artifact-folder.ts';
import type { TensorRef } from '../checkpoint.ts';
import { type OnnxEncoding, planOnnx } from '../export/onnx-plan.ts';
import { buildPatchEmbed } from '../export/patch-embed.ts';
import { writeModel } from '../export/write-model.ts';
import { withProgress } from '../progress.ts';
import type { WeightRows } from '../weight-rows.ts';
import type { Graphs } from './language-session.ts';

/** Only `weights` counts here. */
const F32: OnnxEncoding = { weights: 'f32', groupSize: 32, symmetric: true, clip: 'absmax' };

export interface ScratchOptions {
  /** A folder that the caller removes. */
  readonly folder: string;
  readonly memoryBytes: number;
  readonly signal: AbortSignal;
}

/**
 * Writes a model that has no graphs of its own as f32 graphs, row block by row block: its weights as they are, dequantized
 * where they are quantized. Takes 4 bytes a weight on the disk.
 */
export async function writeScratchGraphs(
  {
    manifest,
    weights,
    vision,
  }: {
    manifest: Manifest;
    weights: ReadonlyMap<string, WeightRows>;
    vision: ReadonlyMap<string, TensorRef> | null;
  },
  { folder, memoryBytes, signal }: ScratchOptions,
): Promise<Graphs> {
  const plan = planOnnx(manifest.llm, weights, { encoding: F32, memoryBytes });
  const scratch = await beginArtifactFolder(join(folder, 'graphs'));
  await withProgress(`${manifest.name} as f32 graphs`, plan.outputBytes, (progress) =>
    writeModel(plan, scratch, { progress, signal }),
  );
  const hasEyes = vision !== null && isSeeing(manifest);
  return {
    decoder: join(scratch.path, 'decoder.onnx'),
    embedTokens: join(scratch.path, 'embed_tokens.onnx'),
    patchEmbed: hasEyes ? (await buildPatchEmbed(manifest, vision)).model : null,
  };
}
