import { GRAPH_BYTES_PER_NUMBER, type WarmEmbedder } from '../src/core/image/patch-embedder.ts';
import type { Bundle } from './bundle.ts';
import type { PatchEmbed } from './env.ts';
import { createKernelEmbedder } from './kernel-embedder.ts';
import { keepResult } from './keep-result.ts';

/**
 * The patch embedding of a bundle. ONNX Runtime's 14 MB are imported where they are asked for, and cost an isolate nothing
 * where they are not.
 */
export function createPatchEmbedder(by: PatchEmbed, bundle: Pick<Bundle, 'graph'>): WarmEmbedder {
  if (by === 'kernel') {
    return createKernelEmbedder(bundle);
  }
  const session = keepResult(async () => (await import('./patch-session.ts')).createPatchSession(bundle));
  return {
    warm: async () => (await session()).warm(),
    embed: async (patches) => (await session()).embed(patches),
    embedBf16: async (patches) => (await session()).embedBf16(patches),
    bytesPerNumber: GRAPH_BYTES_PER_NUMBER,
  };
}
