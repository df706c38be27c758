import { dirname, join } from 'node:path';
import { MalformedFile } from '../../src/core/bytes/malformed-file.ts';
import type { TensorRef } from '../checkpoint.ts';
import { type FileSource, openFileSource } from '../file-source.ts';
import { type OnnxNode, type OnnxTensor, readOnnxHeader } from '../inspect/onnx-header.ts';
import { codesOf } from '../onnx/stored-weight.ts';
import { storedRows, type WeightRows } from '../weight-rows.ts';
import type { StoredModel } from './stored-model.ts';

/** TensorProto.DataType. */
const UINT8 = 2;
const FLOATS = new Map<number, { dtype: TensorRef['dtype']; bytes: number }>([
  [1, { dtype: 'F32', bytes: 4 }],
  [10, { dtype: 'F16', bytes: 2 }],
  [16, { dtype: 'BF16', bytes: 2 }],
]);

/** Operators whose weight is codes with a scale for each group; where each has its codes. Scales and zero points follow. */
const CODES_INPUT = new Map([
  ['MatMulNBits', 1],
  ['GatherBlockQuantized', 0],
]);
const SCALES_INPUT = 2;
const ZEROS_INPUT = 3;

/** An initializer and the open file with its bytes. */
interface Stored extends OnnxTensor {
  readonly source: FileSource;
}

/** Codes of one weight and what they need. A row has `groups` scales, `codeBytes` of codes and `zeroBytes` of zero points. */
interface Quantized {
  readonly name: string;
  readonly shape: readonly number[];
  readonly columns: number;
  readonly bits: number;
  readonly groupSize: number;
  readonly groups: number;
  readonly codes: Stored;
  readonly codeBytes: number;
  readonly scales: WeightRows;
  readonly zeros: Stored | null;
  readonly zeroBytes: number;
}

/**
 * The weights of exported graphs, dequantized as ONNX Runtime defines its operators (ContribOperators.md), by other code than
 * that which wrote them.
 *
 * @param shapes of the weights to find, by checkpoint name, [out, in]; other initializers are left alone
 * @throws MalformedFile when a weight's parts do not fit each other
 */
export async function openOnnxWeights(
  models: readonly string[],
  shapes: ReadonlyMap<string, readonly number[]>,
): Promise<StoredModel> {
  const sources = new Map<string, FileSource>();
  const close = async (): Promise<void> => {
    await Promise.all([...sources.values()].map((source) => source.close()));
  };
  const open = async (path: string): Promise<FileSource> => {
    const source = sources.get(path) ?? (await openFileSource(path));
    sources.set(path, source);
    return source;
  };
  try {
    const weights = new Map<string, WeightRows>();
    for (const model of models) {
      const { nodes, tensors } = await readOnnxHeader(await open(model));
      const stored = new Map<string, Stored>();
      for (const tensor of tensors.values()) {
        const path = tensor.file === null ? model : join(dirname(model), tensor.file);
        stored.set(tensor.name, { ...tensor, source: await open(path) });
      }
      for (const [name, shape] of shapes) {
        const plain = stored.get(name);
        const codes = stored.get(codesOf(name));
        if (plain !== undefined) {
          weights.set(name, floatRows(plain, shape));
        } else if (codes !== undefined) {
          weights.set(name, quantizedRows(findQuantized(model, name, shape, codes, nodes, stored)));
        }
      }
    }
    return { weights, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function floatRows(tensor: Stored, shape: readonly number[]): WeightRows {
  const kind = FLOATS.get(tensor.dataType);
  if (kind === undefined || tensor.shape.join() !== shape.join()) {
    throw malformed(tensor, `type ${tensor.dataType} [${tensor.shape.join(', ')}]`, `floats [${shape.join(', ')}]`);
  }
  checkBytes(tensor, kind.bytes * product(shape));
  return storedRows(tensor.name, { ...tensor, dtype: kind.dtype });
}

function findQuantized(
  model: string,
  name: string,
  shape: readonly number[],
  codes: Stored,
  nodes: readonly OnnxNode[],
  stored: ReadonlyMap<string, Stored>,
): Quantized {
  const isUser = ({ operator, inputs }: OnnxNode): boolean => inputs[CODES_INPUT.get(operator) ?? -1] === codes.name;
  const user = nodes.find(isUser);
  const scales = stored.get(user?.inputs[SCALES_INPUT] ?? '');
  const zeros = stored.get(user?.inputs[ZEROS_INPUT] ?? '') ?? null;
  const bits = user?.integers.get('bits') ?? 4;
  const groupSize = user?.integers.get('block_size') ?? 0;
  if (scales === undefined || ![2, 4, 8].includes(bits) || !(groupSize >= 16) || codes.dataType !== UINT8) {
    const found = `${user?.operator ?? 'no operator'}, ${bits} bits in groups of ${groupSize}`;
    throw new MalformedFile(model, `codes of ${name}`, found, 'u8 codes of 2, 4 or 8 bits with scales');
  }
  const [rows = 1, columns = 1] = shape;
  const groups = Math.ceil(columns / groupSize);
  const codeBytes = (groups * groupSize * bits) / 8;
  const zeroBytes = zeros === null ? 0 : Math.ceil((groups * bits) / 8);
  checkBytes(codes, rows * codeBytes);
  if (zeros !== null) {
    checkBytes(zeros, rows * zeroBytes);
  }
  const scaleRows = floatRows(scales, [rows, groups]);
  return { name, shape, columns, bits, groupSize, groups, codes, codeBytes, scales: scaleRows, zeros, zeroBytes };
}

function quantizedRows(weight: Quantized): WeightRows {
  const { name, shape, columns, bits, groupSize, groups, codes, codeBytes, scales, zeros, zeroBytes } = weight;
  const middle = 2 ** (bits - 1);
  return {
    name,
    shape,
    scratchFloats: (rows) => rows * Math.ceil(groups + (codeBytes + zeroBytes) / 4),
    async read(first, out) {
      const rows = out.length / columns;
      const packed = await bytesOf(codes, first * codeBytes, rows * codeBytes);
      const packedZeros = zeros === null ? null : await bytesOf(zeros, first * zeroBytes, rows * zeroBytes);
      const scale = new Float32Array(rows * groups);
      await scales.read(first, scale);
      for (let row = 0; row < rows; row += 1) {
        for (let column = 0; column < columns; column += 1) {
          const group = Math.floor(column / groupSize);
          const zero = packedZeros === null ? middle : codeAt(packedZeros, row * zeroBytes, group, bits);
          const code = codeAt(packed, row * codeBytes, column, bits);
          out[row * columns + column] = (code - zero) * (scale[row * groups + group] ?? Number.NaN);
        }
      }
    },
  };
}

/** The `index`-th code of a row, low bits first. */
function codeAt(packed: Uint8Array, rowStart: number, index: number, bits: number): number {
  const byte = packed[rowStart + Math.floor((index * bits) / 8)] ?? 0;
  return (byte >>> ((index * bits) % 8)) & (2 ** bits - 1);
}

function bytesOf({ source, start }: Stored, first: number, length: number): Promise<Uint8Array> {
  return source.slice(start + first, start + first + length);
}

function checkBytes(tensor: Stored, expected: number): void {
  const { start, end, source } = tensor;
  if (end - start !== expected || end > source.byteLength) {
    throw malformed(tensor, `bytes ${start} to ${end} of ${source.byteLength}`, `${expected} bytes in the file`);
  }
}

function malformed({ source, name }: Stored, found: string, expected: string): MalformedFile {
  return new MalformedFile(source.name, `initializer ${JSON.stringify(name)}`, found, expected);
}

function product(shape: readonly number[]): number {
  return shape.reduce((size, dimension) => size * dimension, 1);
}
