import type { LlmFacts, VisionFacts } from './manifest.ts';

/** The only file that spells checkpoint keys. Linear weights are [out, in], as torch stores them. */

/** Before the language model's own Hugging Face names in a VoRA checkpoint. */
export const LLM_PREFIX = 'llm.';
export const VISION_PREFIX = 'vision_embedding.';
/** The teacher of VoRA's training; no part of the model. */
export const AUX_VISION_PREFIX = 'aux_vision.';

export const EMBED_TOKENS = 'model.embed_tokens.weight';
export const FINAL_NORM = 'model.norm.weight';
export const LM_HEAD = 'lm_head.weight';
export const INPUT_NORM = 'input_layernorm';
export const POST_ATTENTION_NORM = 'post_attention_layernorm';

/** The linears of a block, all of which VoRA adapts; paths inside the block. */
export const LINEARS = {
  q: 'self_attn.q_proj',
  k: 'self_attn.k_proj',
  v: 'self_attn.v_proj',
  o: 'self_attn.o_proj',
  gate: 'mlp.gate_proj',
  up: 'mlp.up_proj',
  down: 'mlp.down_proj',
} as const;

export type Linear = keyof typeof LINEARS;

/** Qwen3's norms of each head's queries and keys. */
export const HEAD_NORMS = ['self_attn.q_norm', 'self_attn.k_norm'] as const;

/** Tensors of the vision embedding: conv 3→D, RMSNorm, position table, projection D→hidden. */
export const VISION = {
  convWeight: 'vision_embedding.patchifier.proj.weight',
  convBias: 'vision_embedding.patchifier.proj.bias',
  normWeight: 'vision_embedding.patchifier.norm.weight',
  positions: 'vision_embedding.pos_embed',
  outProj: 'vision_embedding.out_proj.weight',
} as const;

/** `model.layers.3.self_attn.q_proj.weight` */
export function layerTensor(layer: number, module: string, part: 'weight' | 'bias' = 'weight'): string {
  return `model.layers.${layer}.${module}.${part}`;
}

/** Names of a linear's adapter, from the name of its weight: W + B·A, A [r, in], B [out, r]. */
export function loraNames(weight: string): { a: string; b: string } {
  const module = weight.replace(/\.weight$/, '');
  return { a: `${module}.lora_A.weight`, b: `${module}.lora_B.weight` };
}

/** Whether a name is half of an adapter, of whatever module. */
export function isLora(name: string): boolean {
  return /\.lora_[AB]\.weight$/.test(name);
}

/** What a tensor of any checkpoint belongs to, for people. */
export function tensorPart(name: string): string {
  if (isLora(name)) {
    return 'adapters';
  }
  if (name.startsWith(AUX_VISION_PREFIX)) {
    return 'aux vision (no part of the model)';
  }
  if (name.startsWith(VISION_PREFIX)) {
    return 'vision embedding';
  }
  return /^(llm\.)?(model\.|lm_head\.)/.test(name) ? 'language model' : 'other';
}

/** Every tensor of a language model with its shape, in the order of the forward pass. */
export function llmShapes(llm: Omit<LlmFacts, 'eosTokenIds'>): Map<string, number[]> {
  const shapes = new Map([[EMBED_TOKENS, [llm.vocabSize, llm.hiddenSize]]]);
  for (let layer = 0; layer < llm.layers; layer += 1) {
    shapes.set(layerTensor(layer, INPUT_NORM), [llm.hiddenSize]);
    for (const [linear, [rows, columns]] of linearShapes(llm)) {
      shapes.set(layerTensor(layer, LINEARS[linear]), [rows, columns]);
      if (llm.biases.includes(linear)) {
        shapes.set(layerTensor(layer, LINEARS[linear], 'bias'), [rows]);
      }
    }
    if (llm.architecture === 'qwen3') {
      HEAD_NORMS.forEach((norm) => shapes.set(layerTensor(layer, norm), [llm.headDim]));
    }
    shapes.set(layerTensor(layer, POST_ATTENTION_NORM), [llm.hiddenSize]);
  }
  shapes.set(FINAL_NORM, [llm.hiddenSize]);
  if (!llm.tieWordEmbeddings) {
    shapes.set(LM_HEAD, [llm.vocabSize, llm.hiddenSize]);
  }
  return shapes;
}

/** [out, in] of each linear of a block. */
export function linearShapes(llm: Omit<LlmFacts, 'eosTokenIds'>): Map<Linear, [number, number]> {
  const { hiddenSize, intermediateSize } = llm;
  const queries = llm.attentionHeads * llm.headDim;
  const keys = llm.kvHeads * llm.headDim;
  return new Map<Linear, [number, number]>([
    ['q', [queries, hiddenSize]],
    ['k', [keys, hiddenSize]],
    ['v', [keys, hiddenSize]],
    ['o', [hiddenSize, queries]],
    ['gate', [intermediateSize, hiddenSize]],
    ['up', [intermediateSize, hiddenSize]],
    ['down', [hiddenSize, intermediateSize]],
  ]);
}

/** Every tensor of the vision embedding with its shape. */
export function visionShapes(
  vision: Pick<VisionFacts, 'patchSize' | 'visionHidden' | 'positions'>,
  hiddenSize: number,
): Map<string, number[]> {
  const { patchSize, visionHidden, positions } = vision;
  return new Map([
    [VISION.convWeight, [visionHidden, 3, patchSize, patchSize]],
    [VISION.convBias, [visionHidden]],
    [VISION.normWeight, [visionHidden]],
    [VISION.positions, [1, positions, visionHidden]],
    [VISION.outProj, [hiddenSize, visionHidden]],
  ]);
}
