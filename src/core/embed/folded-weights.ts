import { MalformedFile } from '../bytes/malformed-file.ts';
import { type OnnxTensorBytes, readOnnxTensors } from './onnx-tensors.ts';

/**
 * The numbers of a folded vision embedding (src/core/model/fold.ts), read from patch_embed.onnx. The two matrices are copied
 * when they are asked for, so that a caller holds one at a time.
 */
export interface FoldedWeights {
  readonly patchLength: number;
  readonly hidden: number;
  readonly visionHidden: number;
  readonly eps: number;
  /** Columns of `norm`. */
  readonly normColumns: number;
  /** Rows of the position table, a square number. */
  readonly tableRows: number;
  /** [patchLength], bytes. */
  readonly centre: Uint8Array;
  /** [patchLength + 1, hidden]. */
  content(): Float32Array;
  /** [patchLength + 1, normColumns]. */
  norm(): Float32Array;
  /** [tableRows, hidden] as f32, little-endian. */
  readonly positionBytes: Uint8Array;
}

/** TensorProto.DataType FLOAT. */
const FLOAT = 1;

/**
 * @param file name for errors
 * @throws MalformedFile when the model is not what `vora export edge` writes
 */
export function readFoldedWeights(file: string, model: Uint8Array): FoldedWeights {
  const tensors = readOnnxTensors(file, model);

  function tensor(name: string, rank: number): OnnxTensorBytes {
    const found = tensors.get(name);
    const size = found?.shape.reduce((product, length) => product * length, 4);
    if (found?.dataType !== FLOAT || found.shape.length !== rank || found.bytes.length !== size || size === 0) {
      const shape = found === undefined ? 'none' : `type ${found.dataType} [${found.shape.join(', ')}]`;
      throw new MalformedFile(file, `tensor ${name}`, shape, `f32 of ${rank} dimensions; see vora export edge`);
    }
    return found;
  }

  function expect(place: string, found: number, holds: boolean, expected: string): void {
    if (!holds) {
      throw new MalformedFile(file, place, String(found), expected);
    }
  }

  const [patchLength = 0] = tensor('centre', 1).shape;
  const [contentRows = 0, hidden = 0] = tensor('content', 2).shape;
  const [normRows = 0, normColumns = 0] = tensor('norm', 2).shape;
  const [tableRows = 0, positionColumns = 0] = tensor('positions', 2).shape;
  expect('content rows', contentRows, contentRows === patchLength + 1, `${patchLength + 1}`);
  expect('norm rows', normRows, normRows === patchLength + 1, `${patchLength + 1}`);
  expect('positions columns', positionColumns, positionColumns === hidden, `${hidden}`);
  expect('positions rows', tableRows, Number.isInteger(Math.sqrt(tableRows)), 'a square number');
  const [eps = Number.NaN] = floats(tensor('eps', 0));
  const [visionHidden = Number.NaN] = floats(tensor('vision_hidden', 0));
  expect('eps', eps, eps >= 0 && Number.isFinite(eps), 'a number from 0');
  expect('vision_hidden', visionHidden, Number.isInteger(visionHidden) && visionHidden > 0, 'a width');
  const centre = floats(tensor('centre', 1));
  for (const value of centre) {
    expect('centre', value, Number.isInteger(value) && value >= 0 && value <= 255, 'bytes');
  }
  return {
    patchLength,
    hidden,
    visionHidden,
    eps,
    normColumns,
    tableRows,
    centre: Uint8Array.from(centre),
    content: () => floats(tensor('content', 2)),
    norm: () => floats(tensor('norm', 2)),
    positionBytes: tensor('positions', 2).bytes,
  };
}

/** A copy, since a tensor may lie at any byte of its file. Not `slice`: that of a Node Buffer copies nothing. */
function floats({ bytes }: OnnxTensorBytes): Float32Array {
  return new Float32Array(new Uint8Array(bytes).buffer);
}
