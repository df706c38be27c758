import { z } from 'zod';
import { MalformedFile } from '../bytes/malformed-file.ts';
import type { LlmFacts, VisionFacts } from './manifest.ts';
import { modelCount } from './model-count.ts';
import { parseWithSchema } from './parse-with-schema.ts';

/** What config.json says about the language model; end tokens come from generation_config.json when it has them. */
export type LlmShape = Omit<LlmFacts, 'eosTokenIds'>;

export interface LoraConfig {
  /** The first blocks, counted from the embedding, carry adapters. */
  readonly layers: number;
  /** Negative in a config whose adapters were merged. */
  readonly rank: number;
  /** Module paths inside a block, e.g. `self_attn.q_proj`. */
  readonly targets: readonly string[];
}

export interface VoraConfig {
  readonly llm: LlmShape;
  readonly eosTokenIds: readonly number[];
  readonly vision: Pick<VisionFacts, 'imageSize' | 'patchSize' | 'visionHidden' | 'positions' | 'attentionMask'>;
  /** Null where the config names no adapters. */
  readonly lora: LoraConfig | null;
}

const tokenIds = z.union([z.number().int().nonnegative(), z.array(z.number().int().nonnegative())]).nullish();
/** Both forms mean plain RoPE; anything else scales positions in a way that nothing here computes. */
const plainRope = z.enum(['default'], { error: 'expected plain RoPE ("default")' }).nullish();

/**
 * The Qwen2 fields of config.json, loose on unknown keys. transformers 4 writes `rope_theta` and `torch_dtype`,
 * transformers 5 `rope_parameters` and `dtype`.
 */
const qwen2Schema = z.looseObject({
  hidden_size: modelCount.width,
  num_hidden_layers: modelCount.layers,
  num_attention_heads: modelCount.width,
  num_key_value_heads: modelCount.width,
  head_dim: modelCount.width.nullish(),
  intermediate_size: modelCount.width,
  vocab_size: modelCount.vocabulary,
  max_position_embeddings: modelCount.positions,
  rms_norm_eps: z.number().positive(),
  rope_theta: z.number().positive().nullish(),
  rope_scaling: z.looseObject({ type: plainRope, rope_type: plainRope }).nullish(),
  rope_parameters: z.looseObject({ rope_theta: z.number().positive(), rope_type: plainRope }).nullish(),
  tie_word_embeddings: z.boolean().default(false),
  hidden_act: z.literal('silu').default('silu'),
  use_sliding_window: z.literal(false, { error: 'expected false: windows are not supported' }).default(false),
  layer_types: z.array(z.literal('full_attention', { error: 'expected full_attention in every block' })).nullish(),
  eos_token_id: tokenIds,
});

/** The fields of the reference's VoRAConfig (models/configuration_vora.py), beside those of its language model. */
const voraSchema = z.looseObject({
  model_type: z.literal('vora'),
  image_size: modelCount.edgePx,
  patch_size: modelCount.edgePx,
  vision_embedding: z.enum(['AIMv2', 'AIMv2Embedding']),
  vision_embedding_intermediate_size: modelCount.width,
  vision_attention_mask: z.enum(['bidirectional', 'default', 'causal']),
});

const loraSchema = z.looseObject({
  lora: z.looseObject({
    layers: z.union([modelCount.layers, z.literal('all')]).default('all'),
    r: z.number().int(),
    target_modules: z.array(z.string()).min(1),
  }),
});

/** @throws MalformedFile */
export function parseVoraConfig(file: string, json: unknown): VoraConfig {
  const llm = parseQwen2Config(file, json);
  const vora = parseWithSchema(voraSchema, file, json);
  const side = vora.image_size / vora.patch_size;
  if (!Number.isInteger(side)) {
    throw new MalformedFile(file, 'image_size', String(vora.image_size), `a multiple of patch_size ${vora.patch_size}`);
  }
  return {
    llm,
    eosTokenIds: parseEosTokenIds(file, json),
    vision: {
      imageSize: vora.image_size,
      patchSize: vora.patch_size,
      visionHidden: vora.vision_embedding_intermediate_size,
      positions: side * side,
      attentionMask: vora.vision_attention_mask === 'bidirectional' ? 'bidirectional' : 'causal',
    },
    lora: parseLora(file, json, vora.lora, llm.layers),
  };
}

/** @throws MalformedFile */
export function parseQwen2Config(file: string, json: unknown): LlmShape {
  const config = parseWithSchema(qwen2Schema, file, json);
  const [ropeTheta, other] = [config.rope_parameters?.rope_theta, config.rope_theta].filter(isNumber);
  if (other !== undefined && other !== ropeTheta) {
    throw new MalformedFile(file, 'rope_theta', String(other), `${ropeTheta}, as rope_parameters.rope_theta has it`);
  }
  if (ropeTheta === undefined) {
    throw new MalformedFile(file, 'rope_theta', 'nothing', 'rope_theta, or rope_parameters.rope_theta');
  }
  const headDim = config.head_dim ?? config.hidden_size / config.num_attention_heads;
  if (headDim * config.num_attention_heads !== config.hidden_size || headDim % 2 !== 0) {
    const expected = `an even share of hidden_size ${config.hidden_size}`;
    throw new MalformedFile(file, 'num_attention_heads', String(config.num_attention_heads), expected);
  }
  if (config.num_attention_heads % config.num_key_value_heads !== 0) {
    const expected = `a divisor of num_attention_heads ${config.num_attention_heads}`;
    throw new MalformedFile(file, 'num_key_value_heads', String(config.num_key_value_heads), expected);
  }
  return {
    architecture: 'qwen2',
    hiddenSize: config.hidden_size,
    layers: config.num_hidden_layers,
    attentionHeads: config.num_attention_heads,
    kvHeads: config.num_key_value_heads,
    headDim,
    intermediateSize: config.intermediate_size,
    vocabSize: config.vocab_size,
    maxPositions: config.max_position_embeddings,
    ropeTheta,
    rmsNormEps: config.rms_norm_eps,
    tieWordEmbeddings: config.tie_word_embeddings,
  };
}

/** `eos_token_id` of a config.json or generation_config.json, as a list; empty where it has none. */
export function parseEosTokenIds(file: string, json: unknown): number[] {
  const ids = parseWithSchema(z.looseObject({ eos_token_id: tokenIds }), file, json).eos_token_id ?? [];
  return typeof ids === 'number' ? [ids] : ids;
}

function parseLora(file: string, json: unknown, found: unknown, llmLayers: number): LoraConfig | null {
  if (found === undefined || found === null || Object.keys(found).length === 0) {
    return null;
  }
  const { lora } = parseWithSchema(loraSchema, file, json);
  const layers = lora.layers === 'all' ? llmLayers : lora.layers;
  if (layers > llmLayers) {
    throw new MalformedFile(file, 'lora.layers', String(layers), `at most num_hidden_layers ${llmLayers}`);
  }
  return { layers, rank: lora.r, targets: lora.target_modules };
}

function isNumber(value: number | null | undefined): value is number {
  return typeof value === 'number';
}
