import { foldVisionEmbedding, type VisionEmbedding } from '../../src/core/model/fold.ts';
import type { SeeingManifest } from '../../src/core/model/manifest.ts';
import { VISION } from '../../src/core/model/tensor-names.ts';
import { FOLD_RELATIVE_ERROR_MAX } from '../../src/core/limits.ts';
import { BadInput } from '../bad-input.ts';
import type { TensorRef } from '../checkpoint.ts';
import { readFloats } from '../float-blocks.ts';
import { patchEmbedGraph } from '../onnx/patch-embed-graph.ts';
import { foldError } from './fold-error.ts';

export const PATCH_EMBED_FILE = 'patch_embed.onnx';

export interface PatchEmbed {
  /** Bytes of the `.onnx` file. */
  readonly model: Uint8Array;
  /** Largest relative error of a patch against the unfolded embedding in float64. */
  readonly relativeError: number;
}

/**
 * Folds the vision embedding, runs the finished graph in ONNX Runtime and compares. Holds the whole vision embedding: at 7B
 * size about 300 MB while folding, in float64.
 *
 * @throws BadInput when the folded embedding is not the checkpoint's
 */
export async function buildPatchEmbed(
  { llm, vision }: Pick<SeeingManifest, 'llm' | 'vision'>,
  tensors: ReadonlyMap<string, TensorRef>,
): Promise<PatchEmbed> {
  const embedding = await readVision(vision.visionHidden, llm.hiddenSize, tensors);
  const model = patchEmbedGraph(foldVisionEmbedding(embedding, vision)).encode();
  const relativeError = await foldError(model, embedding, vision);
  if (!(relativeError <= FOLD_RELATIVE_ERROR_MAX)) {
    throw new BadInput(
      `${PATCH_EMBED_FILE}: folded embedding: found a relative error of ${relativeError.toExponential(1)}, ` +
        `expected at most ${FOLD_RELATIVE_ERROR_MAX}: these vision weights cannot be folded in f32`,
    );
  }
  return { model, relativeError };
}

export function describePatchEmbed({ relativeError }: PatchEmbed): string {
  const limit = FOLD_RELATIVE_ERROR_MAX.toExponential();
  return `folded patch embedding: largest relative error ${relativeError.toExponential(1)}, limit ${limit}`;
}

async function readVision(
  visionHidden: number,
  hidden: number,
  tensors: ReadonlyMap<string, TensorRef>,
): Promise<VisionEmbedding> {
  const read = async (name: string): Promise<Float32Array> => {
    const tensor = tensors.get(name);
    if (tensor === undefined) {
      throw new BadInput(`tensor ${name}: found nothing, expected one: the vision embedding needs it`);
    }
    const values = new Float32Array(tensor.shape.reduce((product, size) => product * size, 1));
    await readFloats(tensor, 0, values);
    return values;
  };
  return {
    visionHidden,
    hidden,
    convWeight: await read(VISION.convWeight),
    convBias: await read(VISION.convBias),
    normWeight: await read(VISION.normWeight),
    posEmbed: await read(VISION.positions),
    outProj: await read(VISION.outProj),
  };
}
