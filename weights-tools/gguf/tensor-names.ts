import {
  EMBED_TOKENS,
  FINAL_NORM,
  HEAD_NORMS,
  INPUT_NORM,
  LINEARS,
  LM_HEAD,
  POST_ATTENTION_NORM,
} from '../../src/core/model/tensor-names.ts';

/** Factors on the frequencies of RoPE, [headDim / 2]; no checkpoint has them. */
export const ROPE_FREQS = 'rope_freqs.weight';
export const TOKEN_EMBD = 'token_embd.weight';
export const OUTPUT = 'output.weight';

const WHOLE_MODEL = new Map([
  [EMBED_TOKENS, TOKEN_EMBD],
  [FINAL_NORM, 'output_norm.weight'],
  [LM_HEAD, OUTPUT],
]);

const IN_BLOCK = new Map<string, string>([
  [INPUT_NORM, 'attn_norm'],
  [LINEARS.q, 'attn_q'],
  [LINEARS.k, 'attn_k'],
  [LINEARS.v, 'attn_v'],
  [LINEARS.o, 'attn_output'],
  [HEAD_NORMS[0], 'attn_q_norm'],
  [HEAD_NORMS[1], 'attn_k_norm'],
  [POST_ATTENTION_NORM, 'ffn_norm'],
  [LINEARS.gate, 'ffn_gate'],
  [LINEARS.up, 'ffn_up'],
  [LINEARS.down, 'ffn_down'],
]);

/**
 * llama.cpp's name of a Hugging Face tensor (gguf-py, `tensor_mapping.py`).
 *
 * @throws RangeError for a tensor of no model that we export
 */
export function ggufName(name: string): string {
  const [, layer, module, part] = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name) ?? [];
  const inBlock = IN_BLOCK.get(module ?? '');
  const found = inBlock === undefined ? WHOLE_MODEL.get(name) : `blk.${layer}.${inBlock}.${part}`;
  if (found === undefined) {
    throw new RangeError(`tensor ${name} has no name in GGUF`);
  }
  return found;
}
