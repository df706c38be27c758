import { readFile } from 'node:fs/promises';
import { readFoldedWeights } from '../../src/core/embed/folded-weights.ts';
import { createPatchKernel } from '../../src/core/embed/patch-kernel.ts';
import type { PatchEmbedder } from '../../src/core/image/patch-embedder.ts';

// Node's own types leave this global out.
declare const WebAssembly: { compile(bytes: Uint8Array): Promise<Parameters<typeof createPatchKernel>[0]> };

const KERNEL = new URL('../../wasm/patch-kernel/kernel.wasm', import.meta.url);

/** The worker's kernel over the weights of a patch_embed.onnx. */
export async function loadPatchKernel(file: string, model: Uint8Array): Promise<PatchEmbedder> {
  const module = await WebAssembly.compile(await readFile(KERNEL));
  const kernel = createPatchKernel(module, readFoldedWeights(file, model));
  return { embed: async (patches) => kernel.embed(patches) };
}
