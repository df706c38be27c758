import { z } from 'zod';
import { MalformedFile } from '../bytes/malformed-file.ts';
import type { LlmFacts } from './manifest.ts';
import { modelCount } from './model-count.ts';
import { parseWithSchema } from './parse-with-schema.ts';

/** What config.json says about the language model; end tokens come from generation_config.json when it has them. */
export type LlmShape = Omit<LlmFacts, 'eosTokenIds'>;
type Architecture = LlmFacts['architecture'];

const tokenIds = z.union([z.number().int().nonnegative(), z.array(z.number().int().nonnegative())]).nullish();
/** Any other kind scales positions in a way that nothing here computes. */
const ropeKind = z.enum(['default', 'llama3'], { error: 'expected plain RoPE ("default") or "llama3"' }).nullish();

/** transformers 4 has `rope_theta` beside a `rope_scaling` that is null for plain RoPE, 5 has all in `rope_parameters`. */
const ropeSchema = z.looseObject({
  rope_theta: z.number().positive().nullish(),
  type: ropeKind,
  rope_type: ropeKind,
});
const llama3Schema = z.looseObject({
  factor: z.number().positive(),
  low_freq_factor: z.number().positive(),
  high_freq_factor: z.number().positive(),
  original_max_position_embeddings: modelCount.positions,
});

/** The fields of config.json that shape the model, loose on unknown keys. */
const llmSchema = z.looseObject({
  hidden_size: modelCount.width,
  num_hidden_layers: modelCount.layers,
  num_attention_heads: modelCount.width,
  num_key_value_heads: modelCount.width.nullish(),
  head_dim: modelCount.width.nullish(),
  intermediate_size: modelCount.width,
  vocab_size: modelCount.vocabulary,
  max_position_embeddings: modelCount.positions,
  rms_norm_eps: z.number().positive(),
  rope_theta: z.number().positive().nullish(),
  rope_scaling: ropeSchema.nullish(),
  rope_parameters: ropeSchema.nullish(),
  tie_word_embeddings: z.boolean().default(false),
  hidden_act: z.literal('silu').default('silu'),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  use_sliding_window: z.literal(false, { error: 'expected false: windows are not supported' }).default(false),
  sliding_window: modelCount.positions.nullish(),
  layer_types: z.array(z.literal('full_attention', { error: 'expected full_attention in every block' })).nullish(),
});

type LlmJson = z.infer<typeof llmSchema>;

/** Only causal language models: a head for something else would be a left-over tensor. */
const architectureSchema = z.looseObject({ model_type: z.enum(['qwen2', 'qwen3', 'llama', 'mistral']) });

/**
 * Reads the config.json of a plain language model.
 *
 * @throws MalformedFile for another architecture too
 */
export function parseLlmConfig(file: string, json: unknown): LlmShape {
  return parseLlmShape(file, json, parseWithSchema(architectureSchema, file, json).model_type);
}

/**
 * The same fields where the file says otherwise what it is, as VoRA's does.
 *
 * @throws MalformedFile
 */
export function parseLlmShape(file: string, json: unknown, architecture: Architecture): LlmShape {
  const config = parseWithSchema(llmSchema, file, json);
  const kvHeads = config.num_key_value_heads ?? config.num_attention_heads;
  if (config.num_attention_heads % kvHeads !== 0) {
    const expected = `a divisor of num_attention_heads ${config.num_attention_heads}`;
    throw new MalformedFile(file, 'num_key_value_heads', String(kvHeads), expected);
  }
  return {
    architecture,
    hiddenSize: config.hidden_size,
    layers: config.num_hidden_layers,
    attentionHeads: config.num_attention_heads,
    kvHeads,
    headDim: headDim(file, config, architecture),
    intermediateSize: config.intermediate_size,
    vocabSize: config.vocab_size,
    maxPositions: maxPositions(config, architecture),
    ropeTheta: ropeTheta(file, config, architecture),
    ropeScaling: ropeScaling(file, config),
    biases: biases(config, architecture),
    rmsNormEps: config.rms_norm_eps,
    tieWordEmbeddings: config.tie_word_embeddings,
  };
}

/** `eos_token_id` of a config.json or generation_config.json, as a list; empty where it has none. */
export function parseEosTokenIds(file: string, json: unknown): number[] {
  const ids = parseWithSchema(z.looseObject({ eos_token_id: tokenIds }), file, json).eos_token_id ?? [];
  return typeof ids === 'number' ? [ids] : ids;
}

function headDim(file: string, config: LlmJson, architecture: Architecture): number {
  const share = config.hidden_size / config.num_attention_heads;
  const found = config.head_dim ?? (architecture === 'qwen3' ? QWEN3_HEAD_DIM : share);
  if (found % 2 !== 0) {
    const expected = `an even share of hidden_size ${config.hidden_size}, or an even head_dim`;
    throw new MalformedFile(file, 'num_attention_heads', String(config.num_attention_heads), expected);
  }
  return found;
}

/** What transformers' Qwen3Config has where the file has none. */
const QWEN3_HEAD_DIM = 128;

/** Mistral's window slides in every block: as long as the text fits it, it is no window. Qwen's field means nothing. */
function maxPositions({ max_position_embeddings, sliding_window }: LlmJson, architecture: Architecture): number {
  return architecture === 'mistral'
    ? Math.min(max_position_embeddings, sliding_window ?? max_position_embeddings)
    : max_position_embeddings;
}

function ropeTheta(file: string, config: LlmJson, architecture: Architecture): number {
  const [theta, other] = [config.rope_parameters?.rope_theta, config.rope_theta].filter(isNumber);
  if (other !== undefined && other !== theta) {
    throw new MalformedFile(file, 'rope_theta', String(other), `${theta}, as rope_parameters.rope_theta has it`);
  }
  if (theta === undefined && architecture !== 'llama' && architecture !== 'mistral') {
    throw new MalformedFile(file, 'rope_theta', 'nothing', 'rope_theta, or rope_parameters.rope_theta');
  }
  return theta ?? LLAMA_ROPE_THETA;
}

/** Older Llama files leave it out. */
const LLAMA_ROPE_THETA = 10_000;

function ropeScaling(file: string, config: LlmJson): LlmShape['ropeScaling'] {
  const inScaling = config.rope_scaling?.rope_type ?? config.rope_scaling?.type;
  const field = inScaling === undefined || inScaling === null ? 'rope_parameters' : 'rope_scaling';
  const found = config[field];
  if ((found?.rope_type ?? found?.type ?? 'default') === 'default') {
    return null;
  }
  const scaling = parseWithSchema(z.looseObject({ [field]: llama3Schema }), file, config)[field];
  if (scaling === undefined) {
    return null;
  }
  return {
    type: 'llama3',
    factor: scaling.factor,
    lowFrequencyFactor: scaling.low_freq_factor,
    highFrequencyFactor: scaling.high_freq_factor,
    originalMaxPositions: scaling.original_max_position_embeddings,
  };
}

function biases(config: LlmJson, architecture: Architecture): LlmShape['biases'] {
  if (architecture === 'qwen2') {
    return ['q', 'k', 'v'];
  }
  if (architecture === 'mistral') {
    return [];
  }
  return [
    ...(config.attention_bias ? (['q', 'k', 'v', 'o'] as const) : []),
    ...(config.mlp_bias && architecture === 'llama' ? (['gate', 'up', 'down'] as const) : []),
  ];
}

function isNumber(value: number | null | undefined): value is number {
  return typeof value === 'number';
}
