import type { TensorRef } from './checkpoint.ts';
import { readFloats, refuseNonFinite } from './float-blocks.ts';

/** A weight of the model, readable in f32 block of rows by block of rows, wherever its values come from. A vector is one row. */
export interface WeightRows {
  /** Hugging Face name. */
  readonly name: string;
  readonly shape: readonly number[];
  /** f32 elements that `read` needs beside `out` for so many rows, for the memory plan: linear in `rows`. */
  readonly scratchFloats: (rows: number) => number;
  /**
   * Rows [first, first + out.length / columns) as f32 into `out`. One read at a time among the weights of a model: they
   * share their scratch memory.
   *
   * @throws BadInput for the first value that is not finite, with file and tensor
   */
  read(first: number, out: Float32Array): Promise<void>;
}

/** A tensor of a file, under the name that the model has for it. */
export function storedRows(name: string, tensor: TensorRef): WeightRows {
  return checkedRows(uncheckedRows(name, tensor), tensor);
}

/** The same for who checks the values later, when something was added to them. */
export function uncheckedRows(name: string, tensor: TensorRef): WeightRows {
  return {
    name,
    shape: tensor.shape,
    scratchFloats: () => 0,
    read: (first, out) => readFloats(tensor, first * columnsOf(tensor), out),
  };
}

/** @param tensor what an error names */
export function checkedRows(rows: WeightRows, tensor: TensorRef): WeightRows {
  return {
    ...rows,
    async read(first, out) {
      await rows.read(first, out);
      refuseNonFinite(tensor, 'F32', out);
    },
  };
}

export function columnsOf({ shape }: Pick<WeightRows, 'shape'>): number {
  return shape.at(-1) ?? 1;
}

export function rowsOf({ shape }: Pick<WeightRows, 'shape'>): number {
  return shape.slice(0, -1).reduce((product, size) => product * size, 1);
}
