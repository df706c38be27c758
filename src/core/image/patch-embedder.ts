import type { Patches } from './patchify.ts';

/** The one seam between image code and ONNX Runtime: onnxruntime-web in the worker, onnxruntime-node in the endpoint. */
export interface PatchEmbedder {
  /** Runs `patch_embed.onnx`: patches u8 [N, 3·p·p] → f32 [N, hidden], equal bytes for equal patches. */
  embed(patches: Patches): Promise<Float32Array>;
}
