import type { Patches } from './patchify.ts';

/** The one seam between image code and what embeds patches: our kernel, onnxruntime-web or onnxruntime-node. */
export interface PatchEmbedder {
  /** Runs `patch_embed.onnx`: patches u8 [N, 3·p·p] → f32 [N, hidden], equal bytes for equal patches. */
  embed(patches: Patches): Promise<Float32Array>;
}

/** An embedder that loads on first use; `warm` begins earlier. */
export interface WarmEmbedder extends PatchEmbedder {
  warm(): Promise<void>;
}
