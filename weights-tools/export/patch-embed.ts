import { InferenceSession, Tensor } from 'onnxruntime-node';
import { foldVisionEmbedding, type VisionEmbedding } from '../../src/core/model/fold.ts';
import type { PatchEmbedder } from '../../src/core/image/patch-embedder.ts';
import type { SeeingManifest } from '../../src/core/model/manifest.ts';
import { VISION } from '../../src/core/model/tensor-names.ts';
import { PATCH_EMBED_ERROR_MAX } from '../../src/core/limits.ts';
import { FOLD_RELATIVE_ERROR_MAX } from '../checkpoint-limits.ts';
import { BadInput } from '../bad-input.ts';
import type { TensorRef } from '../checkpoint.ts';
import { readFloats } from '../float-blocks.ts';
import { patchEmbedGraph } from '../onnx/patch-embed-graph.ts';
import { foldError, foldProbes } from './fold-error.ts';
import { loadPatchKernel } from './patch-kernel.ts';

export const PATCH_EMBED_FILE = 'patch_embed.onnx';

export interface PatchEmbed {
  /** Bytes of the `.onnx` file. */
  readonly model: Uint8Array;
  /** Largest relative error of a patch against the unfolded embedding in float64. */
  readonly relativeError: number;
  /** The same of the worker's kernel, which holds the weights in 16 bits. */
  readonly kernelError: number;
}

/**
 * Folds the vision embedding, runs the finished graph in ONNX Runtime and in the worker's kernel, and compares. Holds the whole vision embedding: at 7B
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
  const probes = foldProbes(embedding, vision);
  const session = await InferenceSession.create(model);
  const relativeError = await foldError(embedderOn(session), probes);
  await session.release();
  if (!(relativeError <= FOLD_RELATIVE_ERROR_MAX)) {
    throw new BadInput(
      `${PATCH_EMBED_FILE}: folded embedding: found a relative error of ${relativeError.toExponential(1)}, ` +
        `expected at most ${FOLD_RELATIVE_ERROR_MAX}: these vision weights cannot be folded in f32`,
    );
  }
  const kernelError = await foldError(await loadPatchKernel(PATCH_EMBED_FILE, model), probes);
  return { model, relativeError, kernelError };
}

export function describePatchEmbed({ relativeError, kernelError }: PatchEmbed): string {
  const limit = FOLD_RELATIVE_ERROR_MAX.toExponential();
  const kernelLimit = PATCH_EMBED_ERROR_MAX.toExponential();
  return (
    `folded patch embedding: largest relative error ${relativeError.toExponential(1)}, limit ${limit}\n` +
    `on the worker's integer kernel: ${kernelError.toExponential(1)}, limit ${kernelLimit}` +
    (kernelError <= PATCH_EMBED_ERROR_MAX ? '' : ': set PATCH_EMBED = "onnxruntime" in the worker')
  );
}

function embedderOn(session: InferenceSession): PatchEmbedder {
  return {
    async embed({ data, rows, cols }) {
      const count = rows * cols;
      const { embeddings } = await session.run({
        patches: new Tensor('uint8', data, [count, data.length / count]),
        grid: new Tensor('int64', BigInt64Array.of(BigInt(rows), BigInt(cols)), [2]),
      });
      if (embeddings === undefined || !(embeddings.data instanceof Float32Array)) {
        throw new TypeError(`${PATCH_EMBED_FILE} gave no f32 embeddings`);
      }
      return embeddings.data;
    },
  };
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
