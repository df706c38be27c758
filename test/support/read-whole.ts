import { columnsOf, rowsOf, type WeightRows } from '../../weights-tools/weight-rows.ts';

/** All rows of a weight, in reads of at most so many. */
export async function readWhole(rows: WeightRows, atMost = Number.POSITIVE_INFINITY): Promise<Float32Array> {
  const [count, columns] = [rowsOf(rows), columnsOf(rows)];
  const values = new Float32Array(count * columns);
  for (let first = 0; first < count; first += atMost) {
    await rows.read(first, values.subarray(first * columns, Math.min(first + atMost, count) * columns));
  }
  return values;
}
