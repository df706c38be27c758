import { layoutSafetensors } from '../../../src/core/bytes/safetensors-layout.ts';
import { parseSafetensorsHeader } from '../../../src/core/bytes/safetensors.ts';
import { decodeUtf8, parseStrictJson } from '../../../src/core/bytes/strict-json.ts';
import { parseAdapterName } from '../../../src/core/model/adapter-names.ts';
import { layoutGguf } from '../../../weights-tools/gguf/layout.ts';
import type { MetadataValue } from '../../../weights-tools/gguf/metadata-value.ts';
import { readGgufHeader } from '../../../weights-tools/gguf/read-header.ts';
import { readOnnxHeader } from '../../../weights-tools/inspect/onnx-header.ts';
import { parsePeftConfig } from '../../../weights-tools/merge/peft-config.ts';
import { embedTokensGraph } from '../../../weights-tools/onnx/embed-tokens-graph.ts';
import { layoutExternalData } from '../../../weights-tools/onnx/external-data.ts';
import { mutateBytes, mutateJson } from '../../attacks/mutate.ts';
import type { Random } from '../../attacks/random.ts';
import type { Target } from '../../attacks/target.ts';

const utf8 = new TextEncoder();
const FILE = 'fuzz';

export const TARGETS: readonly Target[] = [
  {
    name: 'safetensors',
    make(random) {
      const seed = random.pick(SAFETENSORS);
      if (random.chance(0.5)) {
        return mutateBytes(seed, random.pick(SAFETENSORS), random);
      }
      return withHeader(mutateJson(headerText(seed), random), seed, random);
    },
    async read(source) {
      const { tensors } = await parseSafetensorsHeader(source);
      return [...tensors.values()].every(({ start, end }) => start <= end && end <= source.byteLength);
    },
  },
  {
    name: 'gguf',
    make: (random) => mutateBytes(random.pick(GGUF), random.pick(GGUF), random),
    async read(source) {
      const { tensors, dataStart } = await readGgufHeader(source);
      return [...tensors.values()].every(
        ({ start, end }) => dataStart <= start && start <= end && end <= source.byteLength,
      );
    },
  },
  {
    name: 'adapter',
    make(random) {
      const text = mutateJson(random.pick(ADAPTERS), random);
      return random.chance(0.3) ? mutateBytes(utf8.encode(text), utf8.encode(ADAPTERS[0]), random) : utf8.encode(text);
    },
    async read(source) {
      const text = decodeUtf8(FILE, await source.slice(0, source.byteLength));
      const config = parsePeftConfig(FILE, parseStrictJson(FILE, text), false);
      return MODULES.every((name) => {
        const module = parseAdapterName(name)?.peftModule ?? name;
        config.targets(module);
        config.tokenIds(module);
        return Number.isInteger(config.rank(module)) && typeof config.scaling(module) === 'number';
      });
    },
  },
  {
    name: 'onnx',
    make: (random) => mutateBytes(ONNX, ONNX, random),
    async read(source) {
      const { tensors } = await readOnnxHeader(source);
      return [...tensors.values()].every(({ start, end }) => 0 <= start && start <= end);
    },
  },
];

const SAFETENSORS = [
  safetensors([
    { name: 'model.embed_tokens.weight', dtype: 'BF16', shape: [4, 8] },
    { name: 'model.norm.weight', dtype: 'F32', shape: [8] },
    { name: 'scalar', dtype: 'I64', shape: [] },
  ]),
  safetensors([]),
  safetensors([{ name: 'e', dtype: 'U8', shape: [0, 7] }]),
  safetensors(Array.from({ length: 40 }, (_, i) => ({ name: `layers.${i}.w`, dtype: 'F16', shape: [2, 3] }) as const)),
] as const satisfies readonly Uint8Array[];

function safetensors(tensors: Parameters<typeof layoutSafetensors>[0]): Uint8Array {
  const { header, byteLength } = layoutSafetensors(tensors);
  const file = new Uint8Array(byteLength);
  file.set(header);
  return file;
}

function headerText(file: Uint8Array): string {
  const length = Number(new DataView(file.buffer).getBigUint64(0, true));
  return new TextDecoder().decode(file.subarray(8, 8 + length));
}

/** A header with the length it says, mostly, before the data of another file. */
function withHeader(text: string, original: Uint8Array, random: Random): Uint8Array {
  const header = utf8.encode(text);
  const dataStart = 8 + utf8.encode(headerText(original)).length;
  const file = new Uint8Array(8 + header.length + original.length - dataStart);
  const said = BigInt(header.length) + BigInt(random.chance(0.9) ? 0 : random.below(9) - 4);
  new DataView(file.buffer).setBigUint64(0, BigInt.asUintN(64, said), true);
  file.set(header, 8);
  file.set(original.subarray(dataStart), 8 + header.length);
  return file;
}

const GGUF = [
  gguf(
    new Map<string, MetadataValue>([
      ['general.architecture', { type: 'string', value: 'qwen2' }],
      ['general.alignment', { type: 'u32', value: 32 }],
      ['qwen2.rope.freq_base', { type: 'f32', value: 10_000 }],
      ['flag', { type: 'bool', value: true }],
      ['big', { type: 'u64', value: 2n ** 60n }],
      ['tokenizer.ggml.tokens', { type: 'array', of: 'string', values: ['a', 'b', '<|im_end|>'] }],
      ['tokenizer.ggml.token_type', { type: 'array', of: 'i32', values: [1, 1, 3] }],
    ]),
    [
      { name: 'token_embd.weight', type: 'F16', shape: [3, 32] },
      { name: 'blk.0.attn_q.weight', type: 'Q8_0', shape: [2, 64] },
      { name: 'blk.0.ffn_up.weight', type: 'Q4_K', shape: [1, 256] },
      { name: 'output_norm.weight', type: 'F32', shape: [32] },
    ],
  ),
  gguf(new Map(), []),
] as const satisfies readonly Uint8Array[];

function gguf(metadata: ReadonlyMap<string, MetadataValue>, tensors: Parameters<typeof layoutGguf>[1]): Uint8Array {
  const { header, byteLength } = layoutGguf(metadata, tensors);
  const file = new Uint8Array(byteLength);
  file.set(header);
  return file;
}

const ADAPTERS = [
  JSON.stringify({
    peft_type: 'LORA',
    base_model_name_or_path: 'Qwen/Qwen2.5-1.5B-Instruct',
    r: 16,
    lora_alpha: 32,
    target_modules: ['q_proj', 'v_proj'],
    rank_pattern: { 'model.layers.0.self_attn.q_proj': 8, '^layers\\..*\\.v_proj': 4 },
    alpha_pattern: { k_proj: 8 },
    use_rslora: true,
    use_dora: false,
    bias: 'none',
    init_lora_weights: true,
    layers_to_transform: [0, 1],
    modules_to_save: ['lm_head'],
    trainable_token_indices: { embed_tokens: [1, 2, 3] },
    exclude_modules: null,
    task_type: 'CAUSAL_LM',
  }),
  JSON.stringify({
    peft_type: 'LORA',
    r: 1,
    lora_alpha: 1,
    target_modules: 'all-linear',
    trainable_token_indices: [1],
  }),
] as const satisfies readonly string[];

/** Names as long as real ones, on which a slow pattern shows. */
const MODULES = [
  'base_model.model.model.layers.27.self_attn.q_proj.lora_A.weight',
  'base_model.model.model.layers.0.mlp.down_proj.lora_B.weight',
  'base_model.model.lm_head.weight',
  `base_model.model.${'a'.repeat(200)}.lora_A.weight`,
];

const ONNX = onnxModel();

function onnxModel(): Uint8Array {
  const llm = { hiddenSize: 40 } as Parameters<typeof embedTokensGraph>[0];
  const encoding = { bits: 8, groupSize: 32, symmetric: true, clip: 'absmax' } as const;
  const graph = embedTokensGraph(llm, { name: 'model.embed_tokens.weight', shape: [3, 40], encoding });
  return graph.encode(layoutExternalData('data', graph.externals));
}
