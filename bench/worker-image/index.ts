import { createDecoder } from '../../src/core/image/decode.ts';
import { patchify } from '../../src/core/image/patchify.ts';
import { sniffImage } from '../../src/core/image/sniff.ts';
import { shrinkOf } from '../../src/core/image/preprocess.ts';
import { RequestError } from '../../src/core/protocol/failure.ts';
import { decodeImage, inTurn } from '../../worker/decode-image.ts';
import type { PatchEmbed } from '../../worker/env.ts';
import avif from '../../wasm/avif-decoder/decoder.wasm';
import jpeg from '../../wasm/jpeg-decoder/decoder.wasm';
import png from '../../wasm/png-decoder/decoder.wasm';
import resize from '../../wasm/resize-kernel/kernel.wasm';
import webp from '../../wasm/webp-decoder/decoder.wasm';
import { createPatchEmbedder } from '../../worker/patch-embedder.ts';

interface BenchEnv {
  /** Holds the patch embedding as `graph.onnx`. */
  GRAPHS: R2Bucket;
  PATCH_EMBED: PatchEmbed;
}

/** VoRA-7B's input. */
const VISION = { imageSize: 448, patchSize: 14, resize: { mode: 'square' } } as const;

const decoder = createDecoder({ jpeg, png, webp, avif, resize });
let embedder: ReturnType<typeof createPatchEmbedder> | undefined;

/**
 * The picture in the body, decoded, resized and embedded as the worker does; answers with what came of it. `?until=receive`,
 * `decode` and `resize` stop after that: inside, the clock stands still.
 */
export default {
  async fetch(request, env) {
    const until = new URL(request.url).searchParams.get('until');
    embedder ??= createPatchEmbedder(env.PATCH_EMBED, { graph: () => readGraph(env.GRAPHS) });
    const loading = embedder.warm();
    const file = new Uint8Array(await request.arrayBuffer());
    if (until === 'receive') {
      return Response.json({ bytes: file.length });
    }
    try {
      const header = sniffImage(file, 'body');
      if (until === 'decode') {
        const rows = await decoder.open(file, header, 'body', shrinkOf(header, VISION, 'body'));
        await rows.read(() => {});
        return Response.json({ rows: rows.height });
      }
      const input = await inTurn(() => decodeImage(file, header, VISION, 'body'));
      if (until === 'resize') {
        return Response.json({ pixels: input.data.length });
      }
      await loading;
      const embeddings = await embedder.embedBf16(patchify(input, VISION.patchSize));
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
