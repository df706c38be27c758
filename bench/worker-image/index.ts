import { patchify } from '../../src/core/image/patchify.ts';
import { sniffImage } from '../../src/core/image/sniff.ts';
import type { VisionFacts } from '../../src/core/model/manifest.ts';
import { RequestError } from '../../src/core/protocol/failure.ts';
import { decodeImage, inTurn } from '../../worker/decode-image.ts';
import { createPatchEmbedder } from '../../worker/patch-embedder.ts';

interface BenchEnv {
  /** Holds the patch embedding as `graph.onnx`. */
  GRAPHS: R2Bucket;
}

/** VoRA-7B's input. */
const VISION = { imageSize: 448, patchSize: 14, resize: { mode: 'square' } } as VisionFacts;

let embedder: ReturnType<typeof createPatchEmbedder> | undefined;

/** The picture in the body, decoded, resized and embedded as the worker does; answers with what came of it. */
export default {
  async fetch(request, env) {
    embedder ??= createPatchEmbedder('kernel', { graph: () => readGraph(env.GRAPHS) });
    const loading = embedder.warm();
    const file = new Uint8Array(await request.arrayBuffer());
    try {
      const input = await inTurn(() => decodeImage(file, sniffImage(file, 'body'), VISION, 'body'));
      await loading;
      const embeddings = await embedder.embed(patchify(input, VISION.patchSize));
      return Response.json({ values: embeddings.length });
    } catch (error) {
      await loading;
      if (error instanceof RequestError) {
        return Response.json({ refused: error.failure.kind });
      }
      throw error;
    }
  },
} satisfies ExportedHandler<BenchEnv>;

async function readGraph(bucket: R2Bucket): Promise<Uint8Array<ArrayBuffer>> {
  const object = await bucket.get('graph.onnx');
  if (object === null) {
    throw new Error('no graph.onnx in the bucket');
  }
  return new Uint8Array(await object.arrayBuffer());
}
