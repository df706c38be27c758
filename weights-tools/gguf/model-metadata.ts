import type { LlmFacts, Manifest } from '../../src/core/model/manifest.ts';
import { BadInput } from '../bad-input.ts';
import type { MetadataValue } from './metadata-value.ts';
import { GGUF_FORMATS, type GgufFormat } from './type-mix.ts';

/** The layout of quantized blocks has changed twice in ggml's history. */
const QUANTIZATION_VERSION = 2;

/** llama.cpp's name of an architecture, and the linears whose bias its graph of it reads. */
const ARCHITECTURES: Record<LlmFacts['architecture'], { name: string; biases: LlmFacts['biases'] }> = {
  qwen2: { name: 'qwen2', biases: ['q', 'k', 'v'] },
  qwen3: { name: 'qwen3', biases: ['q', 'k', 'v'] },
  llama: { name: 'llama', biases: ['q', 'k', 'v', 'o', 'gate', 'up', 'down'] },
  mistral: { name: 'llama', biases: ['q', 'k', 'v', 'o', 'gate', 'up', 'down'] },
};

const NEEDS_VISION =
  'Text only: llama.cpp runs the language model of a model that sees. A picture needs the vision embedding, which ships ' +
  'in vision/ beside this file, and attention that is bidirectional among its tokens; llama.cpp has neither.';

/** Whether a model's query and key rows must be brought into the order of llama.cpp. */
export function turnsNeighbours({ architecture }: Pick<LlmFacts, 'architecture'>): boolean {
  return ARCHITECTURES[architecture].name === 'llama';
}

/**
 * What llama.cpp must know of the model, and what people should: for a model that sees, that this file does not.
 *
 * @throws BadInput for a model that llama.cpp's graph of the architecture does not compute
 */
export function modelMetadata({ name, llm, vision }: Manifest, format: GgufFormat): Map<string, MetadataValue> {
  const { name: architecture, biases } = ARCHITECTURES[llm.architecture];
  const unread = llm.biases.find((linear) => !biases.includes(linear));
  if (unread !== undefined) {
    throw new BadInput(
      `config.json: found a bias of ${unread}, expected none: llama.cpp's ${architecture} has none there`,
    );
  }
  const width = llm.attentionHeads * llm.headDim;
  if (llm.architecture === 'qwen2' && width !== llm.hiddenSize) {
    const expected = `expected hidden_size ${llm.hiddenSize}: llama.cpp's qwen2 has no other`;
    throw new BadInput(`config.json: head_dim: found ${width} elements in all heads, ${expected}`);
  }
  const u32 = (value: number): MetadataValue => ({ type: 'u32', value });
  const string = (value: string): MetadataValue => ({ type: 'string', value });
  const tags = vision === null ? ['text-generation'] : ['text-generation', 'text-only', 'vision-not-included'];
  return new Map<string, MetadataValue>([
    ['general.architecture', string(architecture)],
    ['general.type', string('model')],
    ['general.name', string(name)],
    ['general.description', string(vision === null ? 'Text only: a plain language model.' : NEEDS_VISION)],
    ['general.tags', { type: 'array', of: 'string', values: tags }],
    ['general.file_type', u32(GGUF_FORMATS[format])],
    ['general.quantization_version', u32(QUANTIZATION_VERSION)],
    [`${architecture}.block_count`, u32(llm.layers)],
    [`${architecture}.context_length`, u32(llm.maxPositions)],
    [`${architecture}.embedding_length`, u32(llm.hiddenSize)],
    [`${architecture}.feed_forward_length`, u32(llm.intermediateSize)],
    [`${architecture}.attention.head_count`, u32(llm.attentionHeads)],
    [`${architecture}.attention.head_count_kv`, u32(llm.kvHeads)],
    [`${architecture}.attention.key_length`, u32(llm.headDim)],
    [`${architecture}.attention.value_length`, u32(llm.headDim)],
    [`${architecture}.attention.layer_norm_rms_epsilon`, { type: 'f32', value: llm.rmsNormEps }],
    [`${architecture}.rope.dimension_count`, u32(llm.headDim)],
    [`${architecture}.rope.freq_base`, { type: 'f32', value: llm.ropeTheta }],
    [`${architecture}.vocab_size`, u32(llm.vocabSize)],
    ...(vision === null ? [] : [['vora.vision.sha256', string(vision.sha256)] as const]),
  ]);
}
