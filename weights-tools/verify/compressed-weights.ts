import { MalformedFile } from '../../src/core/bytes/malformed-file.ts';
import { openCheckpoint, type TensorRef } from '../checkpoint.ts';
import { isFloatDtype, readFloats } from '../float-blocks.ts';
import { printable } from '../printable.ts';
import { dequantizeFloat } from '../quantize/float-quantized.ts';
import { dequantizeInt } from '../quantize/int-quantized.ts';
import { unpackQuantized, wordsOf } from '../quantize/pack-quantized.ts';
import { columnsOf, storedRows, type WeightRows } from '../weight-rows.ts';
import type { StoredModel } from './stored-model.ts';

/** How a linear lies in the file: bytes of a row, and what they and their scales stand for. */
interface StoredLinear {
  readonly codes: TensorRef;
  readonly scales: TensorRef;
  readonly rowBytes: number;
  readonly decode: (codes: Uint8Array, scales: Float32Array) => Float32Array;
}

/**
 * The weights of a compressed-tensors folder: pack-quantized, int-quantized and float-quantized linears, symmetric, beside
 * tensors in floats.
 *
 * @param shapes of the weights to find, by checkpoint name
 * @throws MalformedFile when a weight's parts do not fit each other, or the model does not take a tensor; BadInput
 */
export async function openCompressedWeights(
  folder: string,
  shapes: ReadonlyMap<string, readonly number[]>,
): Promise<StoredModel> {
  const checkpoint = await openCheckpoint(folder);
  const { tensors } = checkpoint;
  try {
    const weights = new Map<string, WeightRows>();
    const untaken = new Map(tensors);
    for (const [name, shape] of shapes) {
      const plain = tensors.get(name);
      [name, packedName(name), scaleName(name), `${name}_shape`].forEach((part) => untaken.delete(part));
      if (plain !== undefined && isFloatDtype(plain.dtype)) {
        weights.set(name, storedRows(name, plain));
      } else if (plain !== undefined || tensors.has(packedName(name))) {
        weights.set(name, linearRows(name, shape, findLinear(name, shape, tensors)));
      }
    }
    for (const [name, { source }] of untaken) {
      throw new MalformedFile(source.name, `tensor ${printable(name)}`, 'one that no part of the model takes', 'none');
    }
    return { weights, close: () => checkpoint.close() };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

function packedName(weight: string): string {
  return `${weight}_packed`;
}

function scaleName(weight: string): string {
  return `${weight}_scale`;
}

function findLinear(name: string, shape: readonly number[], tensors: ReadonlyMap<string, TensorRef>): StoredLinear {
  const codes = tensors.get(packedName(name)) ?? tensors.get(name);
  const scales = tensors.get(scaleName(name));
  const extra = ['_zero_point', '_g_idx'].find((suffix) => tensors.has(`${name}${suffix}`));
  const [rows = 1, columns = 1] = shape;
  const groups = scales?.shape[1] ?? 0;
  if (codes === undefined || scales === undefined || !isFloatDtype(scales.dtype) || extra !== undefined) {
    const found = extra === undefined ? 'no float scales' : `${name}${extra}`;
    throw new MalformedFile(codes?.source.name ?? name, `tensor ${name}`, found, 'symmetric codes with scales');
  }
  const refuse = (): never => {
    const found = `${codes.dtype} [${codes.shape.join(', ')}], scales [${scales.shape.join(', ')}]`;
    throw new MalformedFile(codes.source.name, `tensor ${name}`, found, `codes of [${shape.join(', ')}]`);
  };
  if (scales.shape[0] !== rows || codes.shape[0] !== rows || columns % groups !== 0) {
    return refuse();
  }
  if (codes.dtype === 'I32') {
    const bits = ([4, 8] as const).find((width) => wordsOf(columns, width) === codes.shape[1]) ?? refuse();
    const format = { bits, groupSize: columns / groups };
    return {
      codes,
      scales,
      rowBytes: 4 * columnsOf(codes),
      decode: (packed, values) => unpackQuantized({ packed, scales: values }, columns, format),
    };
  }
  if (groups !== 1 || codes.shape[1] !== columns || (codes.dtype !== 'I8' && codes.dtype !== 'F8_E4M3')) {
    return refuse();
  }
  const isInt = codes.dtype === 'I8';
  return {
    codes,
    scales,
    rowBytes: columns,
    decode: (bytes, values) =>
      isInt
        ? dequantizeInt({ codes: new Int8Array(bytes.buffer), scales: values }, columns)
        : dequantizeFloat({ codes: bytes, scales: values }, columns),
  };
}

function linearRows(
  name: string,
  shape: readonly number[],
  { codes, scales, rowBytes, decode }: StoredLinear,
): WeightRows {
  const columns = columnsOf({ shape });
  const groups = columnsOf(scales);
  return {
    name,
    shape,
    // The bytes, their codes one by one, and the values before they are copied.
    scratchFloats: (rows) => rows * Math.ceil(rowBytes / 4 + columns / 2 + columns + groups),
    async read(first, out) {
      const rows = out.length / columns;
      const start = codes.start + first * rowBytes;
      const bytes = await codes.source.slice(start, start + rows * rowBytes);
      const values = new Float32Array(rows * groups);
      await readFloats(scales, first * groups, values);
      out.set(decode(bytes, values));
    },
  };
}
