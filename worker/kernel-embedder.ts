import { readFoldedWeights } from '../src/core/embed/folded-weights.ts';
import { createPatchKernel } from '../src/core/embed/patch-kernel.ts';
import kernel from '../wasm/patch-kernel/kernel.wasm';
import type { WarmEmbedder } from '../src/core/image/patch-embedder.ts';
import { type Bundle, PATCH_EMBED_FILE } from './bundle.ts';
import { keepResult } from './keep-result.ts';

/** The patch embedding of a bundle on our own kernel, its weights read and quantized once per isolate. */
export function createKernelEmbedder(bundle: Pick<Bundle, 'graph'>): WarmEmbedder {
  const loaded = keepResult(async () =>
    createPatchKernel(kernel, readFoldedWeights(PATCH_EMBED_FILE, await bundle.graph())),
  );
  return {
    async warm() {
      await loaded();
    },
    async embed(patches) {
      return (await loaded()).embed(patches);
    },
    async embedBf16(patches) {
      return (await loaded()).embedBf16(patches);
    },
    bytesPerNumber: Uint16Array.BYTES_PER_ELEMENT,
  };
}
