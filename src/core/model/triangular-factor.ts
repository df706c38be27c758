/**
 * The triangular factor R of A = Q·R by Householder reflections, in float64 (Golub & Van Loan, Matrix Computations, §5.2).
 * ‖R·x‖ = ‖A·x‖ for every x, and R has at most as many rows as A has columns.
 *
 * @param transposed Aᵀ, row-major [columns, rows], so that a column of A is contiguous
 * @returns Rᵀ, row-major [columns, min(rows, columns)], lower triangular
 */
export function triangularFactor(transposed: Float64Array, rows: number, columns: number): Float64Array {
  const a = transposed.slice();
  const rank = Math.min(rows, columns);
  for (let k = 0; k < rank; k++) {
    const pivot = a.subarray(k * rows + k, (k + 1) * rows);
    const diagonal = reflector(pivot);
    if (diagonal !== 0) {
      const scale = 2 / dot(pivot, pivot);
      for (let column = k + 1; column < columns; column++) {
        const rest = a.subarray(column * rows + k, (column + 1) * rows);
        addScaled(rest, -scale * dot(pivot, rest), pivot);
      }
    }
    pivot.fill(0);
    pivot[0] = diagonal;
  }
  const factor = new Float64Array(columns * rank);
  for (let column = 0; column < columns; column++) {
    factor.set(a.subarray(column * rows, column * rows + rank), column * rank);
  }
  return factor;
}

/** Turns x into the vector whose reflection maps x to (diagonal, 0, …), and returns that diagonal; 0 when x is 0. */
function reflector(x: Float64Array): number {
  const head = x[0] ?? 0;
  const norm = Math.sqrt(dot(x, x));
  // The sign that adds magnitudes: the other one cancels.
  const diagonal = head > 0 ? -norm : norm;
  x[0] = head - diagonal;
  return diagonal;
}

function dot(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) {
    sum += (x[i] ?? 0) * (y[i] ?? 0);
  }
  return sum;
}

function addScaled(target: Float64Array, factor: number, x: Float64Array): void {
  for (let i = 0; i < target.length; i++) {
    target[i] = (target[i] ?? 0) + factor * (x[i] ?? 0);
  }
}
