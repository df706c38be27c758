import { LLM_PREFIX } from './tensor-names.ts';

/** Before the model's own names in a PEFT adapter. */
const PEFT_PREFIX = 'base_model.model.';

/** What a tensor of a PEFT adapter is to the module it belongs to. */
export type AdapterPart =
  /** LoRA of a linear: A [r, in], B [out, r], bias [out]. */
  | 'a'
  | 'b'
  | 'bBias'
  /** LoRA of an embedding: A [r, vocabulary], B [hidden, r]. */
  | 'embeddingA'
  | 'embeddingB'
  /** DoRA: [out] of a linear, [hidden] of an embedding. */
  | 'magnitude'
  /** Whole rows of an embedding or head, despite PEFT's name `trainable_tokens_delta`. */
  | 'tokens'
  /** In the place of the base's own: trained with the adapter, or (`base…`) only stored beside it. */
  | 'weight'
  | 'bias'
  | 'baseWeight'
  | 'baseBias';

export interface AdapterName {
  /** As PEFT matches it against patterns, e.g. `model.layers.0.mlp.up_proj`; under `llm.` when trained on a VoRA wrapper. */
  readonly peftModule: string;
  /** In the language model. */
  readonly module: string;
  readonly part: AdapterPart;
}

/** First match wins. `.default` is the adapter's name, which state dicts that PEFT did not save still have. */
const ENDINGS: readonly (readonly [RegExp, AdapterPart])[] = [
  [/\.lora_A(\.default)?\.weight$/, 'a'],
  [/\.lora_B(\.default)?\.weight$/, 'b'],
  [/\.lora_B(\.default)?\.bias$/, 'bBias'],
  [/\.lora_embedding_A(\.default)?$/, 'embeddingA'],
  [/\.lora_embedding_B(\.default)?$/, 'embeddingB'],
  [/\.lora_magnitude_vector(\.default)?(\.weight)?$/, 'magnitude'],
  [/\.token_adapter\.trainable_tokens_delta(\.default)?$/, 'tokens'],
  [/(\.token_adapter)?\.base_layer\.weight$/, 'baseWeight'],
  [/\.base_layer\.bias$/, 'baseBias'],
  [/(\.modules_to_save(\.default)?)?\.weight$/, 'weight'],
  [/(\.modules_to_save(\.default)?)?\.bias$/, 'bias'],
];

/** Null for a name that is none of PEFT's. */
export function parseAdapterName(name: string): AdapterName | null {
  if (!name.startsWith(PEFT_PREFIX)) {
    return null;
  }
  const rest = name.slice(PEFT_PREFIX.length);
  for (const [ending, part] of ENDINGS) {
    const found = ending.exec(rest);
    if (found !== null) {
      const peftModule = rest.slice(0, found.index);
      const module = peftModule.startsWith(LLM_PREFIX) ? peftModule.slice(LLM_PREFIX.length) : peftModule;
      return { peftModule, module, part };
    }
  }
  return null;
}
