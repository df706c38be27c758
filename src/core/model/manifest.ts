import * as z from 'zod';
import { IMAGE_PATCHES_MAX } from '../limits.ts';
import { modelCount } from './model-count.ts';

/**
 * `vora.json`: what weights-tools writes into every artifact folder, last, and what worker and endpoint read first.
 * A folder without one is unfinished.
 */
export const MANIFEST_FILE = 'vora.json';
export const MANIFEST_FORMAT_VERSION = 1;

const count = z.number().int().positive();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 lowercase hex digits');

const file = z.strictObject({ path: z.string().min(1), bytes: z.number().int().nonnegative(), sha256 });

/**
 * How pixels are made model-ready (VoRA's two modes). `native` is the reference's PILSmartResize; `by-detail` is `native`
 * for images of `detail: "high"`, `square` for all others.
 */
const resize = z.discriminatedUnion('mode', [
  z.strictObject({ mode: z.literal('square') }),
  z.strictObject({ mode: z.literal('native'), minPixels: count, maxPixels: count }),
  z.strictObject({ mode: z.literal('by-detail'), minPixels: count, maxPixels: count }),
]);

/** Llama 3.1's stretched RoPE: low frequencies divided by `factor`, high ones kept, blended in between. */
const ropeScaling = z.strictObject({
  type: z.literal('llama3'),
  factor: z.number().positive(),
  lowFrequencyFactor: z.number().positive(),
  highFrequencyFactor: z.number().positive(),
  originalMaxPositions: modelCount.positions,
});

const llm = z.strictObject({
  /** `qwen3` has norms on queries and keys; else the four differ in what the other fields say. */
  architecture: z.enum(['qwen2', 'qwen3', 'llama', 'mistral']),
  hiddenSize: modelCount.width,
  layers: modelCount.layers,
  attentionHeads: modelCount.width,
  kvHeads: modelCount.width,
  headDim: modelCount.width,
  intermediateSize: modelCount.width,
  vocabSize: modelCount.vocabulary,
  maxPositions: modelCount.positions,
  ropeTheta: z.number().positive(),
  /** Null for plain RoPE. */
  ropeScaling: ropeScaling.nullable().default(null),
  /** Linears of a block that have a bias; Qwen2's, where a manifest from before this field says nothing. */
  biases: z.array(z.enum(['q', 'k', 'v', 'o', 'gate', 'up', 'down'])).default(['q', 'k', 'v']),
  rmsNormEps: z.number().positive(),
  tieWordEmbeddings: z.boolean(),
  eosTokenIds: z.array(z.number().int().nonnegative()).min(1),
});

const visionFields = z.strictObject({
  patchSize: modelCount.edgePx,
  imageSize: modelCount.edgePx,
  /** Width D of the vision embedding before its projection. */
  visionHidden: modelCount.width,
  /** Rows of the position table: (imageSize / patchSize)². */
  positions: modelCount.positions,
  eps: z.number().positive(),
  mean: z.tuple([z.number(), z.number(), z.number()]),
  std: z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]),
  resize,
  /** What stands for an image in the rendered chat template. */
  imageToken: z.string().min(1),
  attentionMask: z.enum(['bidirectional', 'causal']),
  /** Hash of merged/vision/embedding.safetensors: embeddings and LLM belong together only when this is equal. */
  sha256,
});

const vision = visionFields.refine(
  ({ patchSize, resize: mode }) => mode.mode === 'square' || mode.maxPixels <= IMAGE_PATCHES_MAX * patchSize ** 2,
  { path: ['resize', 'maxPixels'], error: `expected at most ${IMAGE_PATCHES_MAX} patches` },
);

export const manifestSchema = z.strictObject({
  format: z.literal('vora'),
  formatVersion: z.literal(MANIFEST_FORMAT_VERSION),
  kind: z.enum(['merged', 'onnx', 'edge', 'vllm', 'gguf']),
  /** Name that the API shows, e.g. `vora-random`. */
  name: z.string().min(1),
  /** Weight format: `f32`, `bf16`, `f16` for merged; `f32`, `int8`, `int4` for onnx; `f32` for edge. */
  weights: z.string().min(1),
  llm,
  /** Null for a model of text only. */
  vision: vision.nullable(),
  provenance: z.strictObject({
    tool: z.string(),
    toolVersion: z.string(),
    /** Arithmetic of the merge, before the one rounding to `weights`. */
    mergePrecision: z.literal('f32'),
    inputs: z.array(file),
  }),
  /** Every other file of the folder, paths relative to it, sorted. */
  artifacts: z.array(file),
});

export type Manifest = z.infer<typeof manifestSchema>;
export type LlmFacts = Manifest['llm'];
export type VisionFacts = z.infer<typeof vision>;
export type ResizeMode = VisionFacts['resize'];
/** The manifest of a model that sees. */
export type SeeingManifest = Manifest & { readonly vision: VisionFacts };
export type FileDigest = z.infer<typeof file>;

export function isSeeing(manifest: Manifest): manifest is SeeingManifest {
  return manifest.vision !== null;
}
