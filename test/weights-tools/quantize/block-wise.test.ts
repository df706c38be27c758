import { type InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { createGraph } from '../../../weights-tools/onnx/graph-builder.ts';
import { linear } from '../../../weights-tools/onnx/linear-node.ts';
import { codesOf, GROUP_SIZES, scalesOf, type GroupSize } from '../../../weights-tools/onnx/stored-weight.ts';
import type { QuantizedRows } from '../../../weights-tools/quantize/block-wise.ts';
import { dequantizeInt4, quantizeInt4 } from '../../../weights-tools/quantize/int4.ts';
import { dequantizeInt8, quantizeInt8 } from '../../../weights-tools/quantize/int8.ts';
import { openGraph } from '../onnx/graph-session.ts';

const SCHEMES = [
  { bits: 4, quantize: quantizeInt4, dequantize: dequantizeInt4 },
  { bits: 8, quantize: quantizeInt8, dequantize: dequantizeInt8 },
] as const;

function sample(count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => Math.sin(i * 12.9898) * (1 + (i % 7)) * 0.01);
}

/** Reads one code straight from ContribOperators.md's layout: [row][group][bytes], low bits first. */
function codeAt({ codes }: QuantizedRows, bits: 4 | 8, groups: number, groupSize: number, row: number, column: number) {
  const group = Math.floor(column / groupSize);
  const bitOffset = (column % groupSize) * bits;
  const byte = codes[((row * groups + group) * groupSize * bits) / 8 + Math.floor(bitOffset / 8)] ?? Number.NaN;
  return Math.floor(byte / 2 ** (bitOffset % 8)) % 2 ** bits;
}

describe.each(SCHEMES)('int$bits', ({ bits, quantize, dequantize }) => {
  it.each(GROUP_SIZES)('packs as an independent reader expects, nearest code, group %i', (groupSize) => {
    const [rows, columns] = [3, 70];
    const groups = Math.ceil(columns / groupSize);
    const values = sample(rows * columns);
    const quantized = quantize(values, columns, groupSize);
    expect(quantized.codes).toHaveLength((rows * groups * groupSize * bits) / 8);
    expect(quantized.scales).toHaveLength(rows * groups);
    for (let row = 0; row < rows; row += 1) {
      const codes = Array.from(
        { length: groups * groupSize },
        (_, column) => codeAt(quantized, bits, groups, groupSize, row, column) - 2 ** (bits - 1),
      );
      expect(codes.slice(columns).every((padding) => padding === 0)).toBe(true);
      for (const [column, code] of codes.slice(0, columns).entries()) {
        const value = values[row * columns + column] ?? 0;
        const scale = quantized.scales[row * groups + Math.floor(column / groupSize)] ?? 0;
        const isClipped = code === 2 ** (bits - 1) - 1;
        expect(Math.abs(code * scale - value)).toBeLessThanOrEqual(Math.abs(scale) * (isClipped ? 1 : 0.5) * 1.000001);
      }
    }
  });

  it.each(GROUP_SIZES)('comes back as what it stands for, and a second time unchanged, group %i', (groupSize) => {
    const columns = 70;
    const values = sample(2 * columns);
    const restored = dequantize(quantize(values, columns, groupSize), columns, groupSize);
    expect(restored).toHaveLength(values.length);
    const peak = Math.max(...values.map(Math.abs));
    values.forEach((value, i) => {
      expect(Math.abs(value - (restored[i] ?? 0))).toBeLessThanOrEqual(peak / 2 ** (bits - 1));
    });
    expect(dequantize(quantize(restored, columns, groupSize), columns, groupSize)).toEqual(restored);
  });

  it('keeps the extreme of a group, with its sign', () => {
    const values = sample(32);
    for (const extreme of [0.75, -0.75]) {
      values[5] = extreme;
      expect(dequantize(quantize(values, 32, 32), 32, 32)[5]).toBe(extreme);
    }
  });

  it('rounds ties to even', () => {
    const peak = -(2 ** (bits - 1));
    const values = Float32Array.of(peak, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, ...Array.from({ length: 9 }, () => 0));
    const restored = dequantize(quantize(values, 16, 16), 16, 16);
    expect([...restored.subarray(0, 7)]).toEqual([peak, 0, 2, 2, 0, -2, -2]);
  });

  it('gives zeros for a group of zeros', () => {
    const quantized = quantize(new Float32Array(64), 64, 32);
    expect([...quantized.scales]).toEqual([0, 0]);
    expect([...dequantize(quantized, 64, 32)].every((value) => value === 0)).toBe(true);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('refuses %d', (value) => {
    const values = sample(32);
    values[9] = value;
    expect(() => quantize(values, 32, 32)).toThrow(/cannot be quantized/);
  });

  it.each([
    { columns: 128, groupSize: 32 },
    { columns: 96, groupSize: 64 },
    { columns: 70, groupSize: 16 },
    { columns: 200, groupSize: 128 },
  ] as const)('is what ONNX Runtime multiplies with: K $columns, group $groupSize', async ({ columns, groupSize }) => {
    const rows = 24;
    const quantized = quantize(sample(rows * columns), columns, groupSize);
    const session = await openLinear(rows, columns, bits, groupSize, quantized);
    // Whole numbers with a peak of 127 in every block pass the runtime's own rounding of activations unchanged.
    const x = Float32Array.from({ length: 2 * columns }, (_, i) =>
      (i % columns) % groupSize === 0 ? 127 : ((i * 37) % 255) - 127,
    );
    const { y } = await session.run({ x: new Tensor('float32', x, [2, columns]) });
    const weights = dequantize(quantized, columns, groupSize);
    for (let i = 0; i < 2 * rows; i += 1) {
      const [input, output] = [Math.floor(i / rows), i % rows];
      let sum = 0;
      let magnitude = 0;
      for (let k = 0; k < columns; k += 1) {
        const term = (x[input * columns + k] ?? 0) * (weights[output * columns + k] ?? 0);
        sum += term;
        magnitude += Math.abs(term);
      }
      expect(Math.abs(Number(y?.data[i]) - sum)).toBeLessThan(1e-5 * magnitude);
    }
  });
});

function openLinear(
  rows: number,
  columns: number,
  bits: 4 | 8,
  groupSize: GroupSize,
  { codes, scales }: QuantizedRows,
): Promise<InferenceSession> {
  const graph = createGraph('linear', (graph) => {
    const x = graph.input('x', 'f32', ['rows', columns]);
    const weight = { name: 'w', shape: [rows, columns], encoding: { bits, groupSize } };
    graph.output(linear(graph, x, weight, { name: 'y' }), 'f32', ['rows', rows]);
  });
  const weights = new Map<string, ArrayBufferView>([
    [codesOf('w'), codes],
    [scalesOf('w'), scales],
  ]);
  return openGraph(graph, weights);
}
