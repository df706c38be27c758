import { MalformedFile } from '../bytes/malformed-file.ts';

/** What of the packed form wasm/patch-kernel/kernel.ts knows as well. */
export const PANEL_COLUMNS = 8;
/** A scale and a bias for each column. */
const HEAD_BYTES = PANEL_COLUMNS * 8;
/** Two rows of i16. */
const PAIR_BYTES = PANEL_COLUMNS * 4;
const I16_MAX = 32_767;
const I32_MAX = 2 ** 31 - 1;
/** Room for the scale's own rounding to f32. */
const SCALE_MARGIN = 1 + 2 ** -20;

/** A matrix of f32 [rows + 1, columns], the last row a bias, as whole numbers of 16 bits with a scale for each column. */
export interface IntegerPanels {
  readonly panels: number;
  /** Rows, halved and rounded up. */
  readonly pairs: number;
  readonly byteLength: number;
  /** For each panel where it begins, and the first pair of rows that is not zero: as the kernel's table wants it. */
  readonly places: readonly { readonly start: number; readonly firstPair: number }[];
  /** Writes the panels; `memory` begins where they do. */
  write(memory: Uint8Array): void;
}

/**
 * Quantizes a matrix for products with whole numbers x, |x[i]| ≤ reach[i], so that every sum stays below 2³¹: each column
 * gets the finest scale at which its largest weight fits 16 bits and Σ |weight|·reach fits 32. For weights of about one
 * size the first is what binds, and leaves 15 bits and a sign.
 *
 * Panels of eight columns begin at their first pair of rows that is not zero: the triangular `norm` is stored and
 * multiplied at half its size.
 *
 * @param name of the matrix, for errors
 * @throws MalformedFile for a weight that is not finite
 */
export function integerPanels(
  name: string,
  matrix: Float32Array,
  columns: number,
  reach: readonly number[],
): IntegerPanels {
  const rows = reach.length;
  const { largest, sum, firstRow } = columnStatistics(matrix, columns, reach);
  const slack = reach.reduce((total, value) => total + value, 0) / 2;
  const scales = Float32Array.from(largest, (value, column) => {
    const scale = Math.max(value / I16_MAX, (sum[column] ?? 0) / (I32_MAX - slack)) * SCALE_MARGIN;
    if (!Number.isFinite(scale) || !Number.isFinite(matrix[rows * columns + column])) {
      throw new MalformedFile('patch_embed.onnx', `${name} column ${column}`, 'a weight that is not finite', 'numbers');
    }
    return scale;
  });
  const pairs = Math.ceil(rows / 2);
  const panels = Math.ceil(columns / PANEL_COLUMNS);
  let byteLength = 0;
  const places = Array.from({ length: panels }, (_, panel) => {
    const first = firstRow.subarray(panel * PANEL_COLUMNS, (panel + 1) * PANEL_COLUMNS);
    const firstPair = Math.floor(Math.min(...first) / 2);
    const start = byteLength;
    byteLength += HEAD_BYTES + PAIR_BYTES * (pairs - firstPair);
    return { start, firstPair };
  });
  return {
    panels,
    pairs,
    byteLength,
    places,
    write(memory) {
      const inverse = Float64Array.from(scales, (scale) => (scale === 0 ? 0 : 1 / scale));
      places.forEach(({ start, firstPair }, panel) => {
        const from = panel * PANEL_COLUMNS;
        const width = Math.min(PANEL_COLUMNS, columns - from);
        const head = new Float32Array(memory.buffer, memory.byteOffset + start, 2 * PANEL_COLUMNS);
        head.set(scales.subarray(from, from + width));
        head.set(matrix.subarray(rows * columns + from, rows * columns + from + width), PANEL_COLUMNS);
        const values = new Int16Array(
          memory.buffer,
          memory.byteOffset + start + HEAD_BYTES,
          (pairs - firstPair) * 2 * PANEL_COLUMNS,
        );
        for (let row = 2 * firstPair; row < rows; row++) {
          const to = ((row >> 1) - firstPair) * 2 * PANEL_COLUMNS + (row & 1);
          for (let lane = 0; lane < width; lane++) {
            const weight = (matrix[row * columns + from + lane] ?? 0) * (inverse[from + lane] ?? 0);
            values[to + 2 * lane] = Math.round(weight);
          }
        }
      });
    },
  };
}

/** Of each column: the largest magnitude, Σ |weight|·reach, and the first row that is not zero. */
function columnStatistics(matrix: Float32Array, columns: number, reach: readonly number[]) {
  const largest = new Float64Array(columns);
  const sum = new Float64Array(columns);
  const firstRow = new Uint32Array(columns).fill(reach.length);
  for (let row = reach.length - 1; row >= 0; row--) {
    const bound = reach[row] ?? 0;
    for (let column = 0; column < columns; column++) {
      const magnitude = Math.abs(matrix[row * columns + column] ?? 0);
      // Not Math.max: a NaN must stay.
      if (!(magnitude <= (largest[column] ?? 0))) {
        largest[column] = magnitude;
      }
      sum[column] = (sum[column] ?? 0) + magnitude * bound;
      if (magnitude !== 0) {
        firstRow[column] = row;
      }
    }
  }
  return { largest, sum, firstRow };
}
