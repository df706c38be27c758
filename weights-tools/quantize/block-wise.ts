/** Rows of a weight, quantized. `codes` holds one code a byte or packed codes, as its maker says. */
export interface QuantizedRows {
  readonly codes: Uint8Array;
  /** f32 [rows, groups]; a weight is (code − 2^(bits − 1)) · scale of its group. */
  readonly scales: Float32Array;
}

/**
 * Symmetric round-to-nearest over groups along each row: f32 [rows, columns] to codes [rows, groups · groupSize], one a byte,
 * groups = ceil(columns / groupSize); the last group is filled up with the code of 0.
 *
 * The scale maps the value of largest magnitude, with its sign, to the lowest code: all 2^bits codes are in use, which at
 * 4 bits leaves a tenth less error than ±7 around the middle. Ties go to even.
 *
 * @throws RangeError for a value that is not finite
 */
export function quantizeBlocks(values: Float32Array, columns: number, groupSize: number, bits: number): QuantizedRows {
  const rows = values.length / columns;
  const groups = Math.ceil(columns / groupSize);
  const middle = 2 ** (bits - 1);
  const codes = new Uint8Array(rows * groups * groupSize).fill(middle);
  const scales = new Float32Array(rows * groups);
  for (let row = 0; row < rows; row += 1) {
    for (let group = 0; group < groups; group += 1) {
      const start = row * columns + group * groupSize;
      const end = Math.min(start + groupSize, (row + 1) * columns);
      const scale = Math.fround(peakOf(values, start, end) / -middle);
      if (scale !== 0) {
        const target = (row * groups + group) * groupSize;
        for (let i = start; i < end; i += 1) {
          const code = roundHalfEven((values[i] ?? 0) / scale) + middle;
          codes[target + i - start] = Math.min(code, 2 * middle - 1);
        }
        scales[row * groups + group] = scale;
      }
    }
  }
  return { codes, scales };
}

/** The f32 weights [rows, columns] that the codes of {@link quantizeBlocks} stand for. */
export function dequantizeBlocks(
  { codes, scales }: QuantizedRows,
  columns: number,
  groupSize: number,
  bits: number,
): Float32Array {
  const groups = Math.ceil(columns / groupSize);
  const rows = scales.length / groups;
  const middle = 2 ** (bits - 1);
  const values = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const code = codes[row * groups * groupSize + column] ?? middle;
      const scale = scales[row * groups + Math.floor(column / groupSize)] ?? 0;
      values[row * columns + column] = (code - middle) * scale;
    }
  }
  return values;
}

/** The value of largest magnitude, with its sign. */
function peakOf(values: Float32Array, start: number, end: number): number {
  let peak = 0;
  for (let i = start; i < end; i += 1) {
    const value = values[i] ?? 0;
    if (!(Math.abs(value) <= Math.abs(peak))) {
      peak = value;
    }
    if (!Number.isFinite(peak)) {
      throw new RangeError(`weight ${value} at element ${i} cannot be quantized`);
    }
  }
  return peak;
}

/** Nearest integer, ties to even, for |x| < 2^51: adding 1.5 · 2^52 leaves a float64 no fraction bits. */
function roundHalfEven(x: number): number {
  return x + ROUNDING - ROUNDING;
}

const ROUNDING = 1.5 * 2 ** 52;
