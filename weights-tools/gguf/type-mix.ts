import type { LlmFacts } from '../../src/core/model/manifest.ts';
import { GGML_TYPES, type GgmlTypeName } from './ggml-type.ts';
import { OUTPUT, TOKEN_EMBD } from './tensor-names.ts';

/** `--type` of an export to llama.cpp's `general.file_type`. */
export const GGUF_FORMATS = { f32: 0, f16: 1, q4_0: 2, q8_0: 7, q4_k_m: 15, bf16: 32 } as const;
export type GgufFormat = keyof typeof GGUF_FORMATS;

/** What a type becomes where rows do not fill its blocks of 256. */
const FALLBACKS: Partial<Record<GgmlTypeName, GgmlTypeName>> = { Q4_K: 'Q5_0', Q6_K: 'Q8_0' };

/**
 * The type of a tensor, by its GGUF name and shape, as llama.cpp chooses it (src/llama-quant.cpp, without an importance
 * matrix): vectors and norms stay F32; the head, or the embedding that serves as head, gets six bits where the rest gets
 * four; so do, in Q4_K_M, attention values and ffn_down of the first and last eighth and of every third block between.
 * Not taken over: Q5_K for the attention values of models with 80 blocks, which stay Q4_K.
 */
export function tensorType(
  format: GgufFormat,
  { name, shape }: { name: string; shape: readonly number[] },
  llm: Pick<LlmFacts, 'layers' | 'tieWordEmbeddings'>,
): GgmlTypeName {
  if (shape.length === 1 || name.endsWith('_norm.weight')) {
    return 'F32';
  }
  return fitting(preferredType(format, name, llm), shape.at(-1) ?? 1);
}

function preferredType(
  format: GgufFormat,
  name: string,
  { layers, tieWordEmbeddings }: Pick<LlmFacts, 'layers' | 'tieWordEmbeddings'>,
): GgmlTypeName {
  const isHead = name === OUTPUT || (tieWordEmbeddings && name === TOKEN_EMBD);
  switch (format) {
    case 'f32':
      return 'F32';
    case 'f16':
      return 'F16';
    case 'bf16':
      return 'BF16';
    case 'q8_0':
      return 'Q8_0';
    case 'q4_0':
      return isHead ? 'Q6_K' : 'Q4_0';
    case 'q4_k_m': {
      const [, layer] = /^blk\.(\d+)\.(?:attn_v|ffn_down)\.weight$/.exec(name) ?? [];
      return isHead || (layer !== undefined && getsMoreBits(Number(layer), layers)) ? 'Q6_K' : 'Q4_K';
    }
  }
}

function getsMoreBits(layer: number, layers: number): boolean {
  const eighth = Math.floor(layers / 8);
  return layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2;
}

/** The type, its fallback, or F16 where rows fill no blocks of 32 either. */
function fitting(type: GgmlTypeName, columns: number): GgmlTypeName {
  const candidates = [type, FALLBACKS[type] ?? type, 'F16'] as const;
  return candidates.find((candidate) => columns % GGML_TYPES[candidate].elements === 0) ?? 'F16';
}
