import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { layerTensor, LINEARS, llmShapes } from '../../src/core/model/tensor-names.ts';
import { parseLlmConfig } from '../../src/core/model/llm-config.ts';
import type { Random } from '../../src/endpoint/random.ts';
import { tempFolder, type TestTensor, writeTensors } from './checkpoint-folder.ts';

/** Small and odd; the fields of a Hugging Face config.json. */
export const BASE_CONFIG = {
  model_type: 'qwen2',
  architectures: ['Qwen2ForCausalLM'],
  vocab_size: 23,
  hidden_size: 12,
  intermediate_size: 10,
  num_hidden_layers: 2,
  num_attention_heads: 3,
  num_key_value_heads: 1,
  max_position_embeddings: 32,
  rms_norm_eps: 1e-6,
  rope_theta: 10_000,
  eos_token_id: 1,
};
const ADAPTER_CONFIG = { peft_type: 'LORA', task_type: 'CAUSAL_LM', r: 3, lora_alpha: 6 };
const PREFIX = 'base_model.model.';

export type Tensors = Map<string, TestTensor>;

export function randomTensor(next: Random, shape: readonly number[], spread = 1): TestTensor {
  const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => spread * (2 * next() - 1));
  return { dtype: 'F32', shape, bytes: new Uint8Array(values.buffer) };
}

/** A plain language model with random weights. */
export async function writeBase(next: Random, config: object = {}, folderName = 'base'): Promise<string> {
  const folder = join(await tempFolder(), folderName);
  await mkdir(folder);
  const json = { ...BASE_CONFIG, ...config };
  await writeFile(join(folder, 'config.json'), JSON.stringify(json));
  await writeFile(join(folder, 'tokenizer.json'), '{}');
  const shapes = [...llmShapes(parseLlmConfig('config.json', json))];
  await writeTensors(
    join(folder, 'model.safetensors'),
    new Map(shapes.map(([name, shape]) => [name, randomTensor(next, shape)])),
  );
  return folder;
}

/** Every linear of every block of a base, with [out, in]. */
export function linearsOf(config: object = {}): [module: string, shape: readonly [number, number]][] {
  const llm = parseLlmConfig('config.json', { ...BASE_CONFIG, ...config });
  const shapes = llmShapes(llm);
  return Array.from({ length: llm.layers }, (_, layer) =>
    Object.values(LINEARS).map((path): [string, readonly [number, number]] => {
      const weight = layerTensor(layer, path);
      const [rows = 0, columns = 0] = shapes.get(weight) ?? [];
      return [weight.replace('.weight', ''), [rows, columns]];
    }),
  ).flat();
}

/** Random A and B of some modules, as PEFT names them. */
export function loraTensors(
  next: Random,
  modules: readonly (readonly [module: string, shape: readonly [number, number], rank?: number])[],
): Tensors {
  const tensors: Tensors = new Map();
  for (const [module, [rows, columns], rank = ADAPTER_CONFIG.r] of modules) {
    tensors.set(`${PREFIX}${module}.lora_A.weight`, randomTensor(next, [rank, columns], 0.3));
    tensors.set(`${PREFIX}${module}.lora_B.weight`, randomTensor(next, [rows, rank], 0.3));
  }
  return tensors;
}

export async function writeAdapter(tensors: Tensors, config: object = {}): Promise<string> {
  const folder = join(await tempFolder(), 'adapter');
  await mkdir(folder);
  await writeFile(join(folder, 'adapter_config.json'), JSON.stringify({ ...ADAPTER_CONFIG, ...config }));
  await writeTensors(join(folder, 'adapter_model.safetensors'), tensors);
  return folder;
}

export function floatsOf(tensors: ReadonlyMap<string, TestTensor>, name: string): Float32Array {
  const tensor = tensors.get(name);
  if (tensor === undefined) {
    throw new Error(`no ${name}`);
  }
  return new Float32Array(tensor.bytes.buffer, tensor.bytes.byteOffset, tensor.bytes.byteLength / 4);
}
