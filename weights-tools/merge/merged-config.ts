import type { PreprocessorConfig } from '../../src/core/model/preprocessor-config.ts';
import type { LlmShape } from '../../src/core/model/llm-config.ts';
import type { VoraConfig } from '../../src/core/model/vora-config.ts';
import type { FloatDtype } from '../float-blocks.ts';
import type { MergeModel } from './merge-model.ts';

/**
 * Keys of transformers' Qwen2Config that are carried over; everything else in a VoRA config.json (auto_map, llm, lora,
 * quantization…) would mislead a loader of the plain model.
 */
const QWEN2_KEYS = new Set([
  'attention_dropout',
  'bos_token_id',
  'eos_token_id',
  'hidden_act',
  'hidden_size',
  'initializer_range',
  'intermediate_size',
  'max_position_embeddings',
  'max_window_layers',
  'num_attention_heads',
  'num_hidden_layers',
  'num_key_value_heads',
  'pad_token_id',
  'rms_norm_eps',
  'sliding_window',
  'tie_word_embeddings',
  'use_cache',
  'use_sliding_window',
  'vocab_size',
]);

const TORCH_NAMES: Record<FloatDtype, string> = { F32: 'float32', BF16: 'bfloat16', F16: 'float16' };

/** What stands for an image in the chat templates of the reference; no token of the vocabulary. */
export const IMAGE_TOKEN = '<image>';

/** Keys of a plain model's config.json that are not true of a merged one. */
const STALE_KEYS = new Set(['_name_or_path', 'quantization_config', 'transformers_version']);

/** config.json of the plain language model. Fields that transformers 5 renamed are there in both forms. */
export function mergedConfig(
  { sourceConfig, llm, vision }: Pick<MergeModel, 'sourceConfig' | 'llm' | 'vision'>,
  weights: FloatDtype,
): Record<string, unknown> {
  const isKept = (key: string): boolean => (vision === null ? !STALE_KEYS.has(key) : QWEN2_KEYS.has(key));
  const kept = Object.fromEntries(Object.entries(sourceConfig).filter(([key]) => isKept(key)));
  const dtype = TORCH_NAMES[weights];
  const plainRope = { rope_theta: llm.ropeTheta, rope_type: 'default' };
  return {
    ...(vision === null ? {} : { architectures: ['Qwen2ForCausalLM'], model_type: 'qwen2' }),
    ...kept,
    vocab_size: llm.vocabSize,
    tie_word_embeddings: llm.tieWordEmbeddings,
    rope_theta: llm.ropeTheta,
    ...(llm.ropeScaling === null ? { rope_parameters: plainRope } : {}),
    torch_dtype: dtype,
    dtype,
  };
}

/** vision/config.json, in the names of VoRAConfig and of CLIP's preprocessor, for loaders that read no manifest. */
export function visionConfig(
  config: { llm: Pick<LlmShape, 'hiddenSize' | 'rmsNormEps'>; vision: VoraConfig['vision'] },
  preprocessor: Omit<PreprocessorConfig, 'size'>,
): Record<string, unknown> {
  const { resize, mean, std } = preprocessor;
  return {
    model_type: 'vora_vision_embedding',
    vision_embedding: 'AIMv2Embedding',
    image_size: config.vision.imageSize,
    patch_size: config.vision.patchSize,
    vision_embedding_intermediate_size: config.vision.visionHidden,
    hidden_size: config.llm.hiddenSize,
    rms_norm_eps: config.llm.rmsNormEps,
    vision_attention_mask: config.vision.attentionMask,
    image_mean: mean,
    image_std: std,
    resample: 3,
    resize_mode: resize.mode,
    ...(resize.mode !== 'square' ? { min_pixels: resize.minPixels, max_pixels: resize.maxPixels } : {}),
    image_token: IMAGE_TOKEN,
  };
}
