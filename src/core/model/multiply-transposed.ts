/**
 * a · bᵀ in float64: a [rows, depth], b [columns, depth], result [rows, columns], all row-major.
 *
 * Works on tiles of 2 × 4 results: eight sums stay in registers and every value read is used two or four times. A tile
 * at the edge repeats the last row instead of reading past it.
 */
export function multiplyTransposed(
  a: Float64Array,
  b: Float64Array,
  rows: number,
  columns: number,
  depth: number,
): Float64Array {
  const result = new Float64Array(rows * columns);
  for (let column = 0; column < columns; column += 4) {
    const [c0, c1, c2, c3] = [column, column + 1, column + 2, column + 3].map((c) => Math.min(c, columns - 1)) as Four;
    const [b0, b1, b2, b3] = [c0 * depth, c1 * depth, c2 * depth, c3 * depth];
    for (let row = 0; row < rows; row += 2) {
      const next = Math.min(row + 1, rows - 1);
      const [a0, a1] = [row * depth, next * depth];
      let s00 = 0;
      let s01 = 0;
      let s02 = 0;
      let s03 = 0;
      let s10 = 0;
      let s11 = 0;
      let s12 = 0;
      let s13 = 0;
      for (let k = 0; k < depth; k++) {
        const x0 = a[a0 + k] ?? 0;
        const x1 = a[a1 + k] ?? 0;
        const y0 = b[b0 + k] ?? 0;
        const y1 = b[b1 + k] ?? 0;
        const y2 = b[b2 + k] ?? 0;
        const y3 = b[b3 + k] ?? 0;
        s00 += x0 * y0;
        s01 += x0 * y1;
        s02 += x0 * y2;
        s03 += x0 * y3;
        s10 += x1 * y0;
        s11 += x1 * y1;
        s12 += x1 * y2;
        s13 += x1 * y3;
      }
      result[row * columns + c0] = s00;
      result[row * columns + c1] = s01;
      result[row * columns + c2] = s02;
      result[row * columns + c3] = s03;
      result[next * columns + c0] = s10;
      result[next * columns + c1] = s11;
      result[next * columns + c2] = s12;
      result[next * columns + c3] = s13;
    }
  }
  return result;
}

type Four = [number, number, number, number];
