import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { foldVisionEmbedding, type PixelNormalisation, type VisionEmbedding } from '../src/core/model/fold.ts';
import { patchEmbedGraph } from '../weights-tools/onnx/patch-embed-graph.ts';
import { integerEmbedGraph } from './integer-embed-graph.ts';
import { unfoldedEmbedGraph } from './unfolded-embed-graph.ts';

/** VoRA-7B: patches of 14 × 14, AIMv2-huge's width, Qwen2.5-7B's width, 32 × 32 positions. */
export const SHAPE_7B = { patchLength: 588, visionHidden: 1536, hidden: 3584, positions: 1024 } as const;

export type EmbedShape = Record<keyof typeof SHAPE_7B, number>;

const PIXELS: PixelNormalisation = {
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
  eps: 1e-6,
};

export interface EmbedBenchGraphs {
  readonly folded: string;
  readonly unfolded: string;
  /** The folded one in u8 × i8. */
  readonly integer: string;
  /** Time of the fold itself. */
  readonly foldMs: number;
}

/**
 * Writes `folded.onnx`, `unfolded.onnx` and `integer.onnx`, the same function of the same synthetic weights, with the same inputs and output
 * as patch_embed.onnx. Takes some seconds at 7B size.
 */
export async function writeEmbedBenchGraphs(folder: string, shape: EmbedShape = SHAPE_7B): Promise<EmbedBenchGraphs> {
  await mkdir(folder, { recursive: true });
  const vision = syntheticVision(shape);
  const startMs = performance.now();
  const fold = foldVisionEmbedding(vision, PIXELS);
  const foldMs = performance.now() - startMs;
  const graphs = {
    folded: join(folder, 'folded.onnx'),
    unfolded: join(folder, 'unfolded.onnx'),
    integer: join(folder, 'integer.onnx'),
  };
  await writeFile(graphs.folded, patchEmbedGraph(fold).encode());
  await writeFile(graphs.integer, integerEmbedGraph(fold).encode());
  await writeFile(graphs.unfolded, unfoldedEmbedGraph(vision, PIXELS).encode());
  return { ...graphs, foldMs };
}

/** Patches of noise, the same every time: u8 [count, patchLength]. */
export function syntheticPatches(count: number, patchLength: number): Uint8Array {
  const next = noise();
  return Uint8Array.from({ length: count * patchLength }, () => 256 * next());
}

/** Weights of about the size that training gives them. */
function syntheticVision({ patchLength, visionHidden, hidden, positions }: EmbedShape): VisionEmbedding {
  const next = noise();
  const tensor = (count: number, spread: number, centre = 0): Float32Array =>
    Float32Array.from({ length: count }, () => centre + spread * (2 * next() - 1));
  return {
    visionHidden,
    hidden,
    convWeight: tensor(visionHidden * patchLength, 0.06),
    convBias: tensor(visionHidden, 0.1),
    normWeight: tensor(visionHidden, 0.3, 1),
    posEmbed: tensor(positions * visionHidden, 0.02),
    outProj: tensor(hidden * visionHidden, 0.04),
  };
}

/** Uniform in [0, 1), from a linear congruential generator (Numerical Recipes' constants). */
function noise(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
