import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ExportSource, openExportSource } from '../../../weights-tools/export/export-source.ts';
import { dequantizeMatMulNBits, quantizeMatMulNBits } from '../../../weights-tools/quantize/matmul-nbits.ts';
import { columnsOf, rowsOf } from '../../../weights-tools/weight-rows.ts';
import { mulberry32 } from '../onnx/naive-decoder.ts';

interface Linear {
  name: string;
  values: Float32Array;
  columns: number;
  /** A few columns count for much more than the others, as activations of real models have it. */
  importance: Float32Array;
}

let source: ExportSource;
const linears: Linear[] = [];

beforeAll(async () => {
  source = await openExportSource({
    path: 'models/vora-tiny/adapter',
    base: 'models/vora-tiny/base',
    adapters: [],
    method: { kind: 'exact' },
    baseIsResidual: false,
    trustBase: false,
    image: {},
  });
  const random = mulberry32(11);
  for (const [name, rows] of source.llm) {
    if (name.endsWith('_proj.weight')) {
      const columns = columnsOf(rows);
      const values = new Float32Array(rowsOf(rows) * columns);
      await rows.read(0, values);
      linears.push({
        name,
        values,
        columns,
        importance: Float32Array.from({ length: columns }, () => random() ** 8 + 0.01),
      });
    }
  }
});

afterAll(() => source.close());

/** Σ importance · (x − x̂)² over the rows. */
function squaredError({ values, columns, importance }: Linear, restored: Float32Array, isWeighted: boolean): number {
  return values.reduce((sum, value, i) => {
    const weight = isWeighted ? (importance[i % columns] ?? 0) : 1;
    return sum + weight * (value - (restored[i] ?? Number.NaN)) ** 2;
  }, 0);
}

/** Σ importance · (x − s·q)², each group of neighbours with the s that makes it least: Σwxq / Σwq². */
function leastSquaredError({ values, columns, importance }: Linear, codes: Float32Array, groupSize: number): number {
  let error = 0;
  for (let row = 0; row < values.length; row += columns) {
    for (let first = 0; first < columns; first += groupSize) {
      let [ofValues, ofBoth, ofCodes] = [0, 0, 0];
      for (let column = first; column < Math.min(first + groupSize, columns); column += 1) {
        const [weight = 0, x = 0, q = 0] = [importance[column], values[row + column], codes[row + column]];
        ofValues += weight * x * x;
        ofBoth += weight * x * q;
        ofCodes += weight * q * q;
      }
      error += ofCodes === 0 ? ofValues : ofValues - ofBoth ** 2 / ofCodes;
    }
  }
  return error;
}

describe.each(
  ([32, 64, 128] as const).flatMap((groupSize) => [true, false].map((symmetric) => ({ groupSize, symmetric }))),
)('4 bits on trained weights, groups of $groupSize, symmetric $symmetric', ({ groupSize, symmetric }) => {
  const encoding = { bits: 4, groupSize, symmetric } as const;
  const restore = ({ values, columns }: Linear, clip: 'mse' | 'absmax', importance?: Float32Array): Float32Array => {
    const full = { ...encoding, clip };
    return dequantizeMatMulNBits(quantizeMatMulNBits(values, columns, full, importance), columns, full);
  };

  it('leaves less error with the clip search than without, on every linear', () => {
    expect(linears).toHaveLength(42);
    let [searched, plain] = [0, 0];
    for (const linear of linears) {
      const errors = (['mse', 'absmax'] as const).map((clip) => squaredError(linear, restore(linear, clip), false));
      expect(errors[0], linear.name).toBeLessThan(errors[1] ?? 0);
      searched += errors[0] ?? 0;
      plain += errors[1] ?? 0;
    }
    console.info(
      `g${groupSize} ${symmetric ? 'symmetric' : 'asymmetric'}: squared error ${(searched / plain).toFixed(3)} of absmax`,
    );
  });

  it('leaves less of the error that counts when it knows what counts', () => {
    let [weighted, plain, blind] = [0, 0, 0];
    for (const linear of linears) {
      weighted += squaredError(linear, restore(linear, 'mse', linear.importance), true);
      plain += squaredError(linear, restore(linear, 'absmax'), true);
      blind += squaredError(linear, restore(linear, 'mse'), true);
    }
    expect(weighted).toBeLessThan(0.97 * blind);
    expect(weighted).toBeLessThan(0.9 * plain);
  });

  it('gives the codes of each group the scale that suits them best', () => {
    const full = { ...encoding, clip: 'mse' } as const;
    let [found, best] = [0, 0];
    for (const linear of linears.slice(0, 7)) {
      const { values, columns, importance } = linear;
      const stored = quantizeMatMulNBits(values, columns, full, importance);
      found += squaredError(linear, dequantizeMatMulNBits(stored, columns, full), true);
      const ofScale1 = { ...stored, scales: stored.scales.map(() => 1) };
      best += leastSquaredError(linear, dequantizeMatMulNBits(ofScale1, columns, full), groupSize);
    }
    // What is left: codes are chosen before the scale is fitted, and again after it.
    expect(found / best).toBeGreaterThanOrEqual(1);
    expect(found / best).toBeLessThan(1.01);
  });
});
