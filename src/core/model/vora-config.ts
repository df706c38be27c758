import { z } from 'zod';
import { MalformedFile } from '../bytes/malformed-file.ts';
import { type LlmShape, parseEosTokenIds, parseLlmShape } from './llm-config.ts';
import type { VisionFacts } from './manifest.ts';
import { modelCount } from './model-count.ts';
import { parseWithSchema } from './parse-with-schema.ts';

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
  const llm = parseLlmShape(file, json, 'qwen2');
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
