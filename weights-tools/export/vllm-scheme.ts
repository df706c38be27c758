import type { Dtype } from '../../src/core/bytes/safetensors-dtype.ts';
import { f32ToBf16 } from '../../src/core/bytes/float.ts';
import { quantizeFloat } from '../quantize/float-quantized.ts';
import { quantizeInt } from '../quantize/int-quantized.ts';
import { packQuantized, wordsOf } from '../quantize/pack-quantized.ts';

/** Names as compressed-tensors has them (compressed_tensors/quantization/quant_scheme.py). */
export const VLLM_SCHEMES = ['W4A16', 'W8A16', 'W8A8', 'FP8_DYNAMIC'] as const;
export type VllmSchemeName = (typeof VLLM_SCHEMES)[number];

/** Group sizes of vLLM's kernels; `channel` is one scale a row. Machete, the fastest on Hopper, has no 32. */
export const VLLM_GROUP_SIZES = [32, 64, 128, 'channel'] as const;
export type VllmGroupSize = (typeof VLLM_GROUP_SIZES)[number];

/** One tensor that a linear is stored as; its bytes come row by row. */
export interface StoredPart {
  /** What follows the module's name: `weight_packed`, `weight_scale` … */
  readonly suffix: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

/** How the linears of the blocks are stored. */
export interface VllmScheme {
  readonly name: VllmSchemeName;
  /** Of the manifest, e.g. `W4A16-g128`. */
  readonly label: string;
  /** `quantization_config` of config.json. */
  readonly config: object;
  /** What `columns` must be a multiple of. */
  readonly columnsStep: number;
  /** The tensors that take the place of a weight [rows, columns], beside the constant ones. */
  parts(rows: number, columns: number): readonly StoredPart[];
  /** Rows of each part, in their order. */
  encode(values: Float32Array, columns: number, importance?: Float32Array): readonly Uint8Array[];
}

export function vllmScheme(name: VllmSchemeName, groupSize: VllmGroupSize): VllmScheme {
  switch (name) {
    case 'W4A16':
      return packedScheme(name, 4, groupSize);
    case 'W8A16':
      return packedScheme(name, 8, groupSize);
    case 'W8A8':
      return {
        name,
        label: name,
        config: quantizationConfig('int-quantized', channelWeights('int'), dynamicActivations('int')),
        columnsStep: 1,
        parts: (rows, columns) => [{ suffix: 'weight', dtype: 'I8', shape: [rows, columns] }, scalePart(rows, 1)],
        encode(values, columns) {
          const { codes, scales } = quantizeInt(values, columns);
          return [bytesOf(codes), bf16Bytes(scales)];
        },
      };
    case 'FP8_DYNAMIC':
      return {
        name,
        label: name,
        config: quantizationConfig('float-quantized', channelWeights('float'), dynamicActivations('float')),
        columnsStep: 1,
        parts: (rows, columns) => [{ suffix: 'weight', dtype: 'F8_E4M3', shape: [rows, columns] }, scalePart(rows, 1)],
        encode(values, columns) {
          const { codes, scales } = quantizeFloat(values, columns);
          return [codes, bf16Bytes(scales)];
        },
      };
  }
}

function packedScheme(name: VllmSchemeName, bits: 4 | 8, groupSize: VllmGroupSize): VllmScheme {
  const isChannel = groupSize === 'channel';
  const sizeIn = (columns: number): number => (isChannel ? columns : groupSize);
  const strategy = isChannel ? { strategy: 'channel' } : { strategy: 'group', group_size: groupSize };
  return {
    name,
    label: isChannel ? `${name}-channel` : `${name}-g${groupSize}`,
    config: quantizationConfig('pack-quantized', weightArguments(bits, 'int', strategy), null),
    columnsStep: isChannel ? 1 : groupSize,
    parts: (rows, columns) => [
      { suffix: 'weight_packed', dtype: 'I32', shape: [rows, wordsOf(columns, bits)] },
      scalePart(rows, columns / sizeIn(columns)),
    ],
    encode(values, columns, importance) {
      const { packed, scales } = packQuantized(values, columns, { bits, groupSize: sizeIn(columns) }, importance);
      return [packed, bf16Bytes(scales)];
    },
  };
}

function scalePart(rows: number, groups: number): StoredPart {
  return { suffix: 'weight_scale', dtype: 'BF16', shape: [rows, groups] };
}

/** Only keys that every loader since 2024 knows: the models that read this forbid others. */
function quantizationConfig(format: string, weights: object, activations: object | null): object {
  return {
    quant_method: 'compressed-tensors',
    format,
    quantization_status: 'compressed',
    global_compression_ratio: null,
    kv_cache_scheme: null,
    ignore: ['lm_head'],
    config_groups: {
      group_0: { targets: ['Linear'], weights, input_activations: activations, output_activations: null },
    },
  };
}

function channelWeights(type: 'int' | 'float'): object {
  return weightArguments(8, type, { strategy: 'channel' });
}

function weightArguments(bits: number, type: 'int' | 'float', strategy: object): object {
  return { num_bits: bits, type, symmetric: true, ...strategy, dynamic: false };
}

function dynamicActivations(type: 'int' | 'float'): object {
  return { num_bits: 8, type, symmetric: true, strategy: 'token', dynamic: true };
}

function bf16Bytes(values: Float32Array): Uint8Array {
  return bytesOf(f32ToBf16(values));
}

function bytesOf({ buffer, byteOffset, byteLength }: Int8Array | Uint16Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
