import { readFile } from 'node:fs/promises';
import { type LlmFacts, MANIFEST_FORMAT_VERSION } from '../../../src/core/model/manifest.ts';
import { llmShapes } from '../../../src/core/model/tensor-names.ts';
import { layoutSafetensors } from '../../../src/core/bytes/safetensors-layout.ts';
import { beginArtifactFolder } from '../../../weights-tools/artifact-folder.ts';

const TEXT_FILES = ['tokenizer.json', 'tokenizer_config.json', 'generation_config.json'];
/** Where the tokenizer is from. */
export const TEXT_FOLDER = 'models/vora-tiny/base';

type Shape = Pick<LlmFacts, 'architecture' | 'hiddenSize' | 'layers' | 'headDim' | 'biases'> & Partial<LlmFacts>;

/** Facts of a small model with the tokenizer of models/vora-tiny. */
export function smallModel(shape: Shape): LlmFacts {
  return {
    attentionHeads: 4,
    kvHeads: 2,
    intermediateSize: 2 * shape.hiddenSize,
    vocabSize: 480,
    maxPositions: 2048,
    ropeTheta: 10_000,
    ropeScaling: null,
    rmsNormEps: 1e-5,
    tieWordEmbeddings: false,
    eosTokenIds: [471, 469],
    ...shape,
  };
}

/**
 * A merged folder of text only with random f32 weights, the same on every machine. Its head is loud, so that the most
 * likely token leads by more than what another order of additions changes.
 */
export async function writeRandomMerged(
  path: string,
  llm: LlmFacts,
  text: ReadonlyMap<string, string> = new Map(),
): Promise<void> {
  const shapes = llmShapes(llm);
  const layout = layoutSafetensors([...shapes].map(([name, shape]) => ({ name, dtype: 'F32', shape })));
  const bytes = new Uint8Array(layout.byteLength);
  bytes.set(layout.header);
  const next = randomNormal(7);
  for (const [name, { start, end, shape }] of layout.tensors) {
    const spread = spreadOf(name, shape, llm.tieWordEmbeddings);
    const mean = name.includes('norm') ? 1 : 0;
    const values = Float32Array.from({ length: (end - start) / 4 }, () => mean + spread * next());
    bytes.set(new Uint8Array(values.buffer), start);
  }
  const folder = await beginArtifactFolder(path);
  await folder.write('model.safetensors', bytes);
  await folder.write('config.json', `${JSON.stringify(configOf(llm), null, 2)}\n`);
  for (const file of TEXT_FILES) {
    await folder.write(file, text.get(file) ?? (await readFile(`${TEXT_FOLDER}/${file}`)));
  }
  await folder.finish({
    format: 'vora',
    formatVersion: MANIFEST_FORMAT_VERSION,
    kind: 'merged',
    name: `random/${llm.architecture}`,
    weights: 'f32',
    llm,
    vision: null,
    provenance: { tool: 'test', toolVersion: '0', mergePrecision: 'f32', inputs: [] },
  });
}

function spreadOf(name: string, shape: readonly number[], isTied: boolean): number {
  if (shape.length === 1) {
    return 0.1;
  }
  const fanIn = shape.at(-1) ?? 1;
  if (name.startsWith('model.embed')) {
    return isTied ? 10 / Math.sqrt(fanIn) : 1;
  }
  return (name.startsWith('lm_head') ? 10 : 1) / Math.sqrt(fanIn);
}

function configOf(llm: LlmFacts): Record<string, unknown> {
  const className = { qwen2: 'Qwen2', qwen3: 'Qwen3', llama: 'Llama', mistral: 'Mistral' }[llm.architecture];
  const scaling = llm.ropeScaling;
  return {
    architectures: [`${className}ForCausalLM`],
    model_type: llm.architecture,
    hidden_size: llm.hiddenSize,
    num_hidden_layers: llm.layers,
    num_attention_heads: llm.attentionHeads,
    num_key_value_heads: llm.kvHeads,
    head_dim: llm.headDim,
    intermediate_size: llm.intermediateSize,
    vocab_size: llm.vocabSize,
    max_position_embeddings: llm.maxPositions,
    rms_norm_eps: llm.rmsNormEps,
    rope_theta: llm.ropeTheta,
    rope_scaling:
      scaling === null
        ? null
        : {
            rope_type: 'llama3',
            factor: scaling.factor,
            low_freq_factor: scaling.lowFrequencyFactor,
            high_freq_factor: scaling.highFrequencyFactor,
            original_max_position_embeddings: scaling.originalMaxPositions,
          },
    attention_bias: llm.biases.includes('o'),
    mlp_bias: llm.biases.includes('up'),
    tie_word_embeddings: llm.tieWordEmbeddings,
    hidden_act: 'silu',
    bos_token_id: 469,
    eos_token_id: llm.eosTokenIds[0],
    pad_token_id: 469,
    torch_dtype: 'float32',
    dtype: 'float32',
  };
}

/** Standard normal numbers from a seed: mulberry32, then Box and Muller. */
function randomNormal(seed: number): () => number {
  let state = seed;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}
