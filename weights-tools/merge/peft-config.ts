import { z } from 'zod';
import { MalformedFile } from '../../src/core/bytes/malformed-file.ts';
import { MODEL_LAYERS_MAX, MODEL_VOCABULARY_MAX } from '../../src/core/limits.ts';
import { ADAPTER_RANK_MAX } from '../checkpoint-limits.ts';
import { parseWithSchema } from '../../src/core/model/parse-with-schema.ts';
import { modulePatterns } from './module-pattern.ts';

/** What adapter_config.json says that a merge needs; which tensors there are, the tensors say. */
export interface PeftConfig {
  readonly baseName: string | null;
  readonly useDora: boolean;
  /** Whether B of a linear has a bias. */
  readonly loraBias: boolean;
  /** Whether rows of an embedding or head were trained. */
  readonly trainsTokens: boolean;
  readonly ensureWeightTying: boolean;
  readonly modulesToSave: readonly string[];
  /** Rank that a module must have. */
  rank(module: string): number;
  /** s of W + s·B·A. */
  scaling(module: string): number;
  /** Ids of the rows that `trainable_tokens_delta` holds for a module. */
  tokenIds(module: string): readonly number[] | null;
  /** Whether the config asks for an adapter on a module; null where only Python's regular expressions can say. */
  targets(module: string): boolean | null;
  readonly warnings: readonly string[];
}

const rank = z.number().int().positive().max(ADAPTER_RANK_MAX);
const alpha = z.number();
const names = z.array(z.string());
const tokenIds = z.array(z.number().int().nonnegative().max(MODEL_VOCABULARY_MAX)).min(1);
const layer = z.number().int().nonnegative().max(MODEL_LAYERS_MAX);

const schema = z.looseObject({
  peft_type: z.literal('LORA', { error: 'expected "LORA": other adapters are not B·A' }),
  base_model_name_or_path: z.string().nullish(),
  r: rank,
  lora_alpha: alpha,
  rank_pattern: z.record(z.string(), rank).nullish(),
  alpha_pattern: z.record(z.string(), alpha).nullish(),
  use_rslora: z.boolean().nullish(),
  use_dora: z.boolean().nullish(),
  lora_bias: z.boolean().nullish(),
  fan_in_fan_out: z.boolean().nullish(),
  target_modules: z.union([z.string(), names]).nullish(),
  exclude_modules: z.union([z.string(), names]).nullish(),
  layers_to_transform: z.union([layer, z.array(layer)]).nullish(),
  modules_to_save: names.nullish(),
  trainable_token_indices: z.union([tokenIds, z.record(z.string(), tokenIds)]).nullish(),
  ensure_weight_tying: z.boolean().nullish(),
  init_lora_weights: z.union([z.boolean(), z.string()]).nullish(),
});

type PeftJson = z.infer<typeof schema>;

/** Fields that change nothing about what is merged, or are read above. */
const HARMLESS = new Set([
  ...Object.keys(schema.shape),
  'auto_mapping',
  'bias',
  'corda_config',
  'ephemeral_gpu_offload',
  'eva_config',
  'inference_mode',
  'layers_pattern',
  'loftq_config',
  'lora_dropout',
  'lora_ga_config',
  'megatron_config',
  'megatron_core',
  'peft_version',
  'qalora_group_size',
  'revision',
  'runtime_config',
  'task_type',
  'velora_config',
]);

/** Fields that make another function than W + s·B·A, and why. */
const REFUSED = new Map([
  ['alora_invocation_tokens', 'aLoRA acts only after its invocation tokens, merged weights act on all'],
  ['layer_replication', 'it repeats blocks of the base, which a merge of weights does not'],
  ['use_qalora', 'QA-LoRA pools its inputs, which is not W + s·B·A'],
  ['arrow_config', 'Arrow picks adapters token by token'],
  ['use_bdlora', 'BD-LoRA stores A or B in blocks'],
  ['kasa_config', 'KaSA is not W + s·B·A'],
  ['monteclora_config', 'MonteCLoRA samples its weights'],
  ['target_parameters', 'adapters of expert parameters are stored in another order'],
]);

/** Initialisations that leave the base's weights as they are; the others subtract what they put into the adapter. */
const HARMLESS_INITIALISATIONS = new Set(['gaussian', 'eva', 'orthogonal', 'mica']);

/**
 * Reads adapter_config.json. Whatever would give a merge that is not the trained function is refused by name, unknown
 * fields too: what they do to the weights cannot be known.
 *
 * @throws MalformedFile
 */
export function parsePeftConfig(file: string, json: unknown, baseIsResidual: boolean): PeftConfig {
  const config = parseWithSchema(schema, file, json);
  refuseOtherMath(file, config);
  refuseMovedBase(file, config, baseIsResidual);
  const rankOf = patternValue(file, 'rank_pattern', config.rank_pattern ?? {}, config.r);
  const alphaOf = patternValue(file, 'alpha_pattern', config.alpha_pattern ?? {}, config.lora_alpha);
  const useRslora = config.use_rslora === true;
  return {
    baseName: config.base_model_name_or_path ?? null,
    useDora: config.use_dora === true,
    loraBias: config.lora_bias === true,
    trainsTokens: Object.keys(config.trainable_token_indices ?? {}).length > 0,
    ensureWeightTying: config.ensure_weight_tying === true,
    modulesToSave: config.modules_to_save ?? [],
    rank: rankOf,
    scaling: (module) => alphaOf(module) / (useRslora ? Math.sqrt(rankOf(module)) : rankOf(module)),
    tokenIds: (module) => tokenIdsOf(config, module),
    targets: (module) => isTarget(config, module),
    warnings:
      config.fan_in_fan_out === true
        ? [`${file}: fan_in_fan_out is for Conv1D layers; this base has none, and PEFT too takes it for false`]
        : [],
  };
}

function refuseOtherMath(file: string, config: PeftJson): void {
  for (const [field, value] of Object.entries(config)) {
    const reason = REFUSED.get(field) ?? (HARMLESS.has(field) ? null : 'an unknown field may change what is merged');
    if (reason !== null && !isNothing(value)) {
      throw new MalformedFile(file, field, JSON.stringify(value).slice(0, 80), `nothing: ${reason}`);
    }
  }
}

function refuseMovedBase(file: string, { init_lora_weights: init }: PeftJson, baseIsResidual: boolean): void {
  if (typeof init === 'string' && !HARMLESS_INITIALISATIONS.has(init) && !baseIsResidual) {
    throw new MalformedFile(
      file,
      'init_lora_weights',
      JSON.stringify(init),
      'an initialisation that leaves the base as it is: this one moves weights of the base into the adapter, so the sum with ' +
        'the plain base is wrong. Convert the adapter with PEFT (save_pretrained(path_initial_model_for_weight_conversion=…)), ' +
        'or give the residual base and --base-is-residual',
    );
  }
}

function isNothing(value: unknown): boolean {
  return (
    value === null || value === false || value === '' || (typeof value === 'object' && Object.keys(value).length === 0)
  );
}

function patternValue(
  file: string,
  place: string,
  values: Readonly<Record<string, number>>,
  otherwise: number,
): (module: string) => number {
  const patternOf = modulePatterns(file, place, Object.keys(values));
  return (module) => {
    const pattern = patternOf(module);
    return (pattern === undefined ? undefined : values[pattern]) ?? otherwise;
  };
}

/** A list is for the token embedding; an object names modules by their ends. */
function tokenIdsOf({ trainable_token_indices: ids }: PeftJson, module: string): readonly number[] | null {
  if (ids === undefined || ids === null || Array.isArray(ids)) {
    return ids ?? null;
  }
  return Object.entries(ids).find(([name]) => isOrEndsWith(module, name))?.[1] ?? null;
}

function isTarget(config: PeftJson, module: string): boolean | null {
  const { target_modules: targets, exclude_modules: excluded, modules_to_save: saved } = config;
  if (targets === undefined || targets === null || typeof targets === 'string' || typeof excluded === 'string') {
    return null;
  }
  if ([...(excluded ?? []), ...(saved ?? [])].some((name) => isOrEndsWith(module, name))) {
    return false;
  }
  if (!targets.some((name) => isOrEndsWith(module, name))) {
    return false;
  }
  const layers = [config.layers_to_transform ?? []].flat();
  const index = /\.(\d+)\./.exec(module)?.[1];
  return layers.length === 0 || (index !== undefined && layers.includes(Number(index)));
}

export function isOrEndsWith(module: string, name: string): boolean {
  return module === name || module.endsWith(`.${name}`);
}
