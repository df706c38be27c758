import { cp, mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dtype } from '../../src/core/bytes/safetensors-dtype.ts';
import { tensorBytes } from '../../src/core/bytes/safetensors-dtype.ts';
import { layoutSafetensors } from '../../src/core/bytes/safetensors-layout.ts';
import { f32ToBf16 } from '../../src/core/bytes/float.ts';
import {
  AUX_VISION_PREFIX,
  layerTensor,
  linearShapes,
  LINEARS,
  LLM_PREFIX,
  llmShapes,
  loraNames,
  visionShapes,
} from '../../src/core/model/tensor-names.ts';
import { INDEX_FILE } from '../../weights-tools/checkpoint.ts';
import { shardIndex, splitShards } from '../../weights-tools/safetensors-shards.ts';
import type { BenchShape } from './shape.ts';

interface SyntheticTensor {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

/** Values that are written again and again: what they are changes no time. */
const PATTERN_VALUES = 1024 * 1024;
/** Standard deviation of the weights, as trained ones have. */
const SPREAD = 0.02;

const VISION = { patchSize: 14, visionHidden: 1536, positions: 1024 } as const;
const RANDOM_MODEL = join(import.meta.dirname, '../../models/vora-random');

/**
 * A VoRA checkpoint as its training writes it, in bf16: module by module, the adapters of each beside its weight. Returns the
 * bytes of its tensors.
 */
export async function writeVoraCheckpoint(folder: string, { llm, lora }: BenchShape): Promise<number> {
  const linears = new Map(adapted(llm, lora.layers).map((linear) => [linear.weight, linear]));
  const tensors = [...llmShapes(llm)].flatMap(([name, shape]): SyntheticTensor[] => {
    const stored = `${LLM_PREFIX}${name}`;
    const linear = linears.get(name);
    if (linear === undefined) {
      return [bf16(stored, shape)];
    }
    const { a, b } = loraNames(stored);
    return [bf16(stored, shape), bf16(a, [lora.rank, linear.columns]), bf16(b, [linear.rows, lora.rank])];
  });
  tensors.push(...[...visionShapes(VISION, llm.hiddenSize)].map(([name, shape]) => bf16(name, shape)));
  tensors.push(bf16(`${AUX_VISION_PREFIX}head.weight`, [64, 64]));
  const targets = Object.values(LINEARS);
  await writeJson(folder, 'config.json', {
    ...hfConfig(llm),
    architectures: ['VoRAForCausalLM'],
    model_type: 'vora',
    lora: { layers: lora.layers, r: lora.rank, target_modules: targets },
    image_size: 448,
    patch_size: VISION.patchSize,
    vision_embedding: 'AIMv2Embedding',
    vision_embedding_intermediate_size: VISION.visionHidden,
    vision_attention_mask: 'bidirectional',
  });
  await copyTextFiles(folder);
  return writeTensors(folder, tensors);
}

/** A plain model in bf16. Returns the bytes of its tensors. */
export async function writePlainModel(folder: string, { llm }: BenchShape): Promise<number> {
  await writeJson(folder, 'config.json', {
    ...hfConfig(llm),
    architectures: ['Qwen2ForCausalLM'],
    model_type: 'qwen2',
  });
  await copyTextFiles(folder);
  return writeTensors(
    folder,
    [...llmShapes(llm)].map(([name, shape]) => bf16(name, shape)),
  );
}

/** A PEFT adapter on every linear, in f32 as PEFT trains them. */
export async function writePeftAdapter(folder: string, { llm, lora }: BenchShape, base: string): Promise<number> {
  const tensors = adapted(llm, lora.layers).flatMap(({ weight, rows, columns }): SyntheticTensor[] => {
    const { a, b } = loraNames(`base_model.model.${weight}`);
    return [
      { name: a, dtype: 'F32', shape: [lora.rank, columns] },
      { name: b, dtype: 'F32', shape: [rows, lora.rank] },
    ];
  });
  await writeJson(folder, 'adapter_config.json', {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: base,
    r: lora.rank,
    lora_alpha: lora.rank,
    lora_dropout: 0,
    bias: 'none',
    target_modules: Object.values(LINEARS).map((module) => module.split('.').at(-1)),
  });
  return writeTensors(folder, tensors, 'adapter_model.safetensors');
}

/** The linears that carry adapters. */
export function adapted(llm: BenchShape['llm'], layers: number): { weight: string; rows: number; columns: number }[] {
  return Array.from({ length: layers }, (_, layer) =>
    [...linearShapes(llm)].map(([linear, [rows, columns]]) => ({
      weight: layerTensor(layer, LINEARS[linear]),
      rows,
      columns,
    })),
  ).flat();
}

function bf16(name: string, shape: readonly number[]): SyntheticTensor {
  return { name, dtype: 'BF16', shape };
}

function hfConfig(llm: BenchShape['llm']): object {
  return {
    hidden_size: llm.hiddenSize,
    intermediate_size: llm.intermediateSize,
    num_hidden_layers: llm.layers,
    num_attention_heads: llm.attentionHeads,
    num_key_value_heads: llm.kvHeads,
    vocab_size: llm.vocabSize,
    max_position_embeddings: llm.maxPositions,
    rms_norm_eps: llm.rmsNormEps,
    rope_theta: llm.ropeTheta,
    tie_word_embeddings: llm.tieWordEmbeddings,
    hidden_act: 'silu',
    torch_dtype: 'bfloat16',
    eos_token_id: llm.eosTokenIds[0],
  };
}

async function copyTextFiles(folder: string): Promise<void> {
  for (const name of [
    'tokenizer.json',
    'tokenizer_config.json',
    'generation_config.json',
    'preprocessor_config.json',
  ]) {
    await cp(join(RANDOM_MODEL, name), join(folder, name));
  }
}

async function writeJson(folder: string, name: string, value: object): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, name), JSON.stringify(value, null, 2));
}

async function writeTensors(folder: string, tensors: readonly SyntheticTensor[], only?: string): Promise<number> {
  const sizeOf = ({ dtype, shape }: SyntheticTensor): number => tensorBytes(dtype, shape) ?? Number.NaN;
  const shards = only === undefined ? splitShards(tensors, sizeOf) : [{ file: only, items: tensors }];
  const values = drawValues();
  const patterns = { BF16: new Uint8Array(f32ToBf16(values).buffer), F32: new Uint8Array(values.buffer) };
  const fileOf = new Map<string, string>();
  let bytes = 0;
  for (const { file, items } of shards) {
    const layout = layoutSafetensors(items);
    const handle = await open(join(folder, file), 'w');
    await handle.write(layout.header, 0, layout.header.byteLength, 0);
    for (const { name, dtype, start, end } of layout.tensors.values()) {
      fileOf.set(name, file);
      bytes += end - start;
      const pattern = dtype === 'F32' ? patterns.F32 : patterns.BF16;
      for (let at = start; at < end; at += pattern.byteLength) {
        await handle.write(pattern, 0, Math.min(pattern.byteLength, end - at), at);
      }
    }
    await handle.close();
  }
  if (shards.length > 1) {
    await writeFile(join(folder, INDEX_FILE), shardIndex(fileOf, bytes));
  }
  return bytes;
}

/** Near enough to normally distributed: sums of three uniform numbers from a small generator. */
function drawValues(): Float32Array {
  let state = 1;
  const uniform = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
  return Float32Array.from({ length: PATTERN_VALUES }, () => 2 * SPREAD * (uniform() + uniform() + uniform()));
}
