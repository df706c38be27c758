import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { PatchEmbedder } from '../core/image/patch-embedder.ts';
import type { SeeingManifest } from '../core/model/manifest.ts';
import { checkGraph, patchEmbedContract } from './graph-contract.ts';

/**
 * The patch embedding on ONNX Runtime for images that arrive as pixels.
 *
 * @param file path of `patch_embed.onnx`.
 * @throws MalformedFile when the graph is not of the manifest's model.
 */
export async function createPatchSession(file: string, manifest: SeeingManifest): Promise<PatchEmbedder> {
  const session = await InferenceSession.create(file);
  checkGraph(file, session, patchEmbedContract(manifest));

  return {
    async embed({ data, rows, cols }) {
      const { embeddings } = await session.run({
        patches: new Tensor('uint8', data, [rows * cols, data.length / (rows * cols)]),
        grid: new Tensor('int64', [BigInt(rows), BigInt(cols)], [2]),
      });
      if (!(embeddings?.data instanceof Float32Array)) {
        throw new Error('the graph gave no float32 embeddings');
      }
      return embeddings.data;
    },
  };
}
