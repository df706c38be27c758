import type { WeightRows } from '../weight-rows.ts';

/**
 * Query or key rows in the order of llama.cpp's `llama` models. Hugging Face turns element i of a head with element
 * i + headDim / 2, they turn neighbours: rows 2i and 2i + 1 of a head are our rows i and i + headDim / 2
 * (conversion/llama.py, `permute`). For a bias, elements take the place of rows.
 */
export function neighbourRotaryRows(from: WeightRows, headDim: number): WeightRows {
  const columns = from.shape.length === 1 ? 1 : (from.shape.at(-1) ?? 1);
  const elements = from.shape.reduce((product, size) => product * size, 1);
  /** Rows of the whole heads that hold so many rows, wherever these start. */
  const rowsOfHeads = (rows: number): number => rows + 2 * headDim;
  const isVector = from.shape.length === 1;
  return {
    name: from.name,
    shape: from.shape,
    scratchFloats: (rows) =>
      isVector ? from.scratchFloats(1) + elements : from.scratchFloats(rowsOfHeads(rows)) + rowsOfHeads(rows) * columns,
    async read(first, out) {
      const start = isVector ? 0 : Math.floor(first / headDim) * headDim;
      const end = isVector ? elements : Math.ceil((first + out.length / columns) / headDim) * headDim;
      const heads = new Float32Array((end - start) * columns);
      await from.read(start, heads);
      for (let row = 0; row < out.length / columns; row += 1) {
        const inHead = (first + row) % headDim;
        const head = first + row - inHead - start;
        const source = head + (inHead >> 1) + (inHead % 2) * (headDim / 2);
        out.set(heads.subarray(source * columns, (source + 1) * columns), row * columns);
      }
    },
  };
}
