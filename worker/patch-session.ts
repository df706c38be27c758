import { type InferenceSession, Tensor } from 'onnxruntime-web/wasm';
import { f32ToBf16 } from '../src/core/bytes/float.ts';
import { GRAPH_BYTES_PER_NUMBER, type WarmEmbedder } from '../src/core/image/patch-embedder.ts';
import type { Patches } from '../src/core/image/patchify.ts';
import type { Bundle } from './bundle.ts';
import { keepResult } from './keep-result.ts';
import { createOrtSession } from './ort-runtime.ts';

/**
 * The patch embedding of a bundle on ONNX Runtime Web: patches u8 [N, 3·p·p] and grid i64 [2] → embeddings f32 [N, H].
 *
 * Loaded once per isolate, with one small run at the end: V8 starts WebAssembly in its baseline tier and replaces hot
 * functions between calls, so that the first image would take three times as long as the second. One run at a time: ONNX
 * Runtime Web refuses a second run of a session that is still running.
 * Peak memory beside the runtime: the graph's bytes twice while it loads (ours and the runtime's copy), later once.
 */
export function createPatchSession(bundle: Pick<Bundle, 'graph'>): WarmEmbedder {
  const session = keepResult(async () => {
    const ort = await createOrtSession(await bundle.graph());
    await embedOn(ort, blankPatches(ort));
    return ort;
  });
  let last: Promise<unknown> = Promise.resolve();
  async function embed(patches: Patches): Promise<Float32Array> {
    const ort = await session();
    const run = last.then(() => embedOn(ort, patches));
    // A rejected run must not reject the runs behind it.
    last = run.catch(() => undefined);
    return run;
  }
  return {
    async warm() {
      await session();
    },
    embed,
    embedBf16: async (patches) => f32ToBf16(await embed(patches)),
    bytesPerNumber: GRAPH_BYTES_PER_NUMBER,
  };
}

/** Eight patches: enough for the kernels that an image uses, some 40 ms at 7B size. */
function blankPatches(session: InferenceSession): Patches {
  const input = session.inputMetadata.find(({ name }) => name === 'patches');
  const length = input?.isTensor === true ? input.shape[1] : undefined;
  if (typeof length !== 'number') {
    throw new TypeError('patch_embed.onnx has no input "patches" of shape [N, length]');
  }
  return { data: new Uint8Array(8 * length), rows: 1, cols: 8 };
}

async function embedOn(session: InferenceSession, { data, rows, cols }: Patches): Promise<Float32Array> {
  const count = rows * cols;
  const { embeddings } = await session.run({
    patches: new Tensor('uint8', data, [count, data.length / count]),
    grid: new Tensor('int64', BigInt64Array.of(BigInt(rows), BigInt(cols)), [2]),
  });
  if (!(embeddings?.data instanceof Float32Array) || embeddings.dims[0] !== count) {
    throw new TypeError(
      `patch_embed.onnx gave ${embeddings?.type} [${embeddings?.dims.join(', ')}] for ${count} patches`,
    );
  }
  return embeddings.data;
}
