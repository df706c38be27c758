/**
 * What weights-tools itself says that a vLLM folder's linears stand for: `node dequantize.ts FOLDER OUT` writes them as f32
 * safetensors, to be compared with what the compressed-tensors package says.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { layoutSafetensors } from '../../../src/core/bytes/safetensors-layout.ts';
import { bf16ToF32 } from '../../../src/core/bytes/float.ts';
import { openCheckpoint } from '../../../weights-tools/checkpoint.ts';
import { dequantizeFloat } from '../../../weights-tools/quantize/float-quantized.ts';
import { dequantizeInt } from '../../../weights-tools/quantize/int-quantized.ts';
import { unpackQuantized } from '../../../weights-tools/quantize/pack-quantized.ts';

interface Weights {
  readonly num_bits: 4 | 8;
  readonly group_size?: number;
}

const [folder = '', out = ''] = process.argv.slice(2);
const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as {
  quantization_config: { format: string; config_groups: { group_0: { weights: Weights } } };
};
const { format, config_groups: groups } = config.quantization_config;
const { num_bits: bits, group_size: groupSize } = groups.group_0.weights;
const checkpoint = await openCheckpoint(folder);

async function bytes(name: string): Promise<Uint8Array> {
  const tensor = checkpoint.tensors.get(name);
  return tensor === undefined ? new Uint8Array() : (await tensor.source.slice(tensor.start, tensor.end)).slice();
}

async function dequantize(module: string): Promise<{ shape: number[]; values: Float32Array }> {
  const scaleBytes = await bytes(`${module}.weight_scale`);
  const scales = bf16ToF32(new Uint16Array(scaleBytes.buffer, 0, scaleBytes.length / 2));
  const shape = new BigInt64Array((await bytes(`${module}.weight_shape`)).buffer);
  const plain = checkpoint.tensors.get(`${module}.weight`)?.shape ?? [];
  const [rows = 0, columns = 0] = plain.length > 0 ? plain : Array.from(shape, Number);
  const codes = await bytes(`${module}.weight`);
  switch (format) {
    case 'pack-quantized': {
      const packed = await bytes(`${module}.weight_packed`);
      const values = unpackQuantized({ packed, scales }, columns, { bits, groupSize: groupSize ?? columns });
      return { shape: [rows, columns], values };
    }
    case 'int-quantized':
      return { shape: [rows, columns], values: dequantizeInt({ codes: new Int8Array(codes.buffer), scales }, columns) };
    default:
      return { shape: [rows, columns], values: dequantizeFloat({ codes, scales }, columns) };
  }
}

const modules = [...checkpoint.tensors.keys()]
  .filter((name) => name.endsWith('.weight_scale'))
  .map((name) => name.replace(/\.weight_scale$/, ''));
const weights = new Map(await Promise.all(modules.map(async (name) => [`${name}.weight`, await dequantize(name)] as const)));
await checkpoint.close();
const layout = layoutSafetensors([...weights].map(([name, { shape }]) => ({ name, dtype: 'F32', shape })));
const file = new Uint8Array(layout.byteLength);
file.set(layout.header);
for (const [name, { start }] of layout.tensors) {
  const values = weights.get(name)?.values ?? new Float32Array();
  file.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), start);
}
await writeFile(out, file);
