import { createPatchSession } from '../../worker/patch-session.ts';

interface BenchEnv {
  /** Holds the graph to measure as `graph.onnx`. */
  GRAPHS: R2Bucket;
}

let session: ReturnType<typeof createPatchSession> | undefined;

/** Embeds the patches in the body, as the worker does, and answers with one value of the result. */
export default {
  async fetch(request, env) {
    session ??= createPatchSession({ graph: () => readGraph(env.GRAPHS) });
    const loading = session.warm();
    const side = Number(new URL(request.url).searchParams.get('side'));
    const data = new Uint8Array(await request.arrayBuffer());
    await loading;
    const embeddings = await session.embed({ data, rows: side, cols: side });
    return Response.json({ values: embeddings.length, last: embeddings.at(-1) });
  },
} satisfies ExportedHandler<BenchEnv>;

async function readGraph(bucket: R2Bucket): Promise<Uint8Array<ArrayBuffer>> {
  const object = await bucket.get('graph.onnx');
  if (object === null) {
    throw new Error('no graph.onnx in the bucket');
  }
  return new Uint8Array(await object.arrayBuffer());
}
