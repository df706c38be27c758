import type { WarmEmbedder } from '../../src/core/image/patch-embedder.ts';
import type { PatchEmbed } from '../../worker/env.ts';
import { createPatchEmbedder } from '../../worker/patch-embedder.ts';

interface BenchEnv {
  /** Holds the graph to measure as `graph.onnx`. */
  GRAPHS: R2Bucket;
  PATCH_EMBED: PatchEmbed;
}

let embedder: WarmEmbedder | undefined;

/**
 * Embeds the patches in the body, as the worker does, and answers with one value of the result, or with all of them for
 * `?answer=all`. GET reads the graph, and no more.
 */
export default {
  async fetch(request, env) {
    if (request.method === 'GET') {
      return Response.json({ bytes: (await readGraph(env.GRAPHS)).length });
    }
    embedder ??= createPatchEmbedder(env.PATCH_EMBED, { graph: () => readGraph(env.GRAPHS) });
    const loading = embedder.warm();
    const { searchParams } = new URL(request.url);
    const side = Number(searchParams.get('side'));
    const data = new Uint8Array(await request.arrayBuffer());
    await loading;
    const embeddings = await embedder.embed({ data, rows: side, cols: side });
    return searchParams.get('answer') === 'all'
      ? new Response(embeddings.slice().buffer)
      : Response.json({ values: embeddings.length, last: embeddings.at(-1) });
  },
} satisfies ExportedHandler<BenchEnv>;

async function readGraph(bucket: R2Bucket): Promise<Uint8Array<ArrayBuffer>> {
  const object = await bucket.get('graph.onnx');
  if (object === null) {
    throw new Error('no graph.onnx in the bucket');
  }
  return new Uint8Array(await object.arrayBuffer());
}
