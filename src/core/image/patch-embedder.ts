import type { Patches } from './patchify.ts';

/** The one seam between image code and what embeds patches: our kernel, onnxruntime-web or onnxruntime-node. */
export interface PatchEmbedder {
  /** Runs `patch_embed.onnx`: patches u8 [N, 3·p·p] → f32 [N, hidden], equal bytes for equal patches. */
  embed(patches: Patches): Promise<Float32Array>;
}

/** Bytes for each number where a graph gives f32, of which bf16 is made. */
export const GRAPH_BYTES_PER_NUMBER = Float32Array.BYTES_PER_ELEMENT + Uint16Array.BYTES_PER_ELEMENT;

/** An embedder that loads on first use; `warm` begins earlier. */
export interface WarmEmbedder extends PatchEmbedder {
  warm(): Promise<void>;
  /** What `embed` gives, each number to the nearest bf16, as its bits: the form in which servers take embeddings. */
  embedBf16(patches: Patches): Promise<Uint16Array>;
  /** What `embedBf16` holds at most for each number of its result, the result included. */
  readonly bytesPerNumber: number;
}
