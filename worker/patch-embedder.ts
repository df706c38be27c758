import * as z from 'zod';
import type { WarmEmbedder } from '../src/core/image/patch-embedder.ts';
import { RequestError } from '../src/core/protocol/failure.ts';
import type { Bundle } from './bundle.ts';
import { createKernelEmbedder } from './kernel-embedder.ts';
import { keepResult } from './keep-result.ts';

const variables = z.object({ PATCH_EMBED: z.enum(['kernel', 'onnxruntime']).default('kernel') });

/**
 * What runs the patch embedding, by the variable PATCH_EMBED. ONNX Runtime's 14 MB are imported where they are asked for,
 * and cost an isolate nothing where they are not.
 *
 * @throws RequestError `misconfigured`
 */
export function createPatchEmbedder(env: object, bundle: Pick<Bundle, 'graph'>): WarmEmbedder {
  const parsed = variables.safeParse(env);
  if (!parsed.success) {
    const message = `Worker configuration: PATCH_EMBED: ${parsed.error.issues[0]?.message}`;
    throw new RequestError({ kind: 'misconfigured', message });
  }
  if (parsed.data.PATCH_EMBED === 'kernel') {
    return createKernelEmbedder(bundle);
  }
  const session = keepResult(async () => (await import('./patch-session.ts')).createPatchSession(bundle));
  return {
    warm: async () => (await session()).warm(),
    embed: async (patches) => (await session()).embed(patches),
  };
}
