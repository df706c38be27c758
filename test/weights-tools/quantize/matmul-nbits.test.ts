import { type InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { createGraph } from '../../../weights-tools/onnx/graph-builder.ts';
import { linear } from '../../../weights-tools/onnx/linear-node.ts';
import { codesOf, scalesOf, zerosOf } from '../../../weights-tools/onnx/stored-weight.ts';
import {
  type BlockEncoding,
  CLIPS,
  dequantizeMatMulNBits,
  GROUP_SIZES,
  type MatMulNBitsRows,
  quantizeMatMulNBits,
} from '../../../weights-tools/quantize/matmul-nbits.ts';
import { openGraph } from '../onnx/graph-session.ts';

const SCHEMES = ([4, 8] as const).flatMap((bits) =>
  [true, false].flatMap((symmetric) => CLIPS.map((clip) => ({ bits, symmetric, clip }))),
);

function sample(count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => Math.sin(i * 12.9898) * (1 + (i % 7)) * 0.01);
}

/** Reads one code straight from ContribOperators.md's layout: bytes in order, low bits first. */
function codeAt(bytes: Uint8Array, bits: number, index: number): number {
  const byte = bytes[Math.floor((index * bits) / 8)] ?? Number.NaN;
  return Math.floor(byte / 2 ** ((index * bits) % 8)) % 2 ** bits;
}

describe.each(SCHEMES)('$bits bits, symmetric $symmetric, clip $clip', ({ bits, symmetric, clip }) => {
  const encodingOf = (groupSize: BlockEncoding['groupSize']): BlockEncoding => ({ bits, groupSize, symmetric, clip });
  const roundTrip = (values: Float32Array, columns: number, groupSize: BlockEncoding['groupSize']): Float32Array =>
    dequantizeMatMulNBits(quantizeMatMulNBits(values, columns, encodingOf(groupSize)), columns, encodingOf(groupSize));

  it.each(GROUP_SIZES)('packs as an independent reader expects, nearest code, group %i', (groupSize) => {
    const [rows, columns] = [3, 70];
    const groups = Math.ceil(columns / groupSize);
    const values = sample(rows * columns);
    const { codes, scales, zeros } = quantizeMatMulNBits(values, columns, encodingOf(groupSize));
    expect(codes).toHaveLength((rows * groups * groupSize * bits) / 8);
    expect(scales).toHaveLength(rows * groups);
    expect(zeros?.length).toBe(symmetric ? undefined : rows * Math.ceil((groups * bits) / 8));
    const zeroAt = (row: number, group: number): number =>
      zeros === null ? 2 ** (bits - 1) : codeAt(zeros.subarray((row * zeros.length) / rows), bits, group);
    for (let row = 0; row < rows; row += 1) {
      for (let column = 0; column < groups * groupSize; column += 1) {
        const group = Math.floor(column / groupSize);
        const code = codeAt(codes, bits, row * groups * groupSize + column) - zeroAt(row, group);
        const isFilling = column >= columns;
        const value = isFilling ? 0 : (values[row * columns + column] ?? 0);
        const scale = scales[row * groups + group] ?? 0;
        const isClipped = [0, 2 ** bits - 1].includes(code + zeroAt(row, group));
        const allowed = isFilling ? 0 : isClipped ? 2 ** (bits - 2) : 0.5;
        expect(Math.abs(code * scale - value)).toBeLessThanOrEqual(Math.abs(scale) * allowed * 1.000001);
      }
    }
  });

  it.each(GROUP_SIZES)('comes back near what it was, group %i', (groupSize) => {
    const columns = 70;
    const values = sample(2 * columns);
    const restored = roundTrip(values, columns, groupSize);
    expect(restored).toHaveLength(values.length);
    const peak = Math.max(...values.map(Math.abs));
    values.forEach((value, i) => {
      expect(Math.abs(value - (restored[i] ?? 0))).toBeLessThanOrEqual(
        (peak / 2 ** (bits - 1)) * (clip === 'mse' ? 2.5 : 1),
      );
    });
  });

  it('gives zeros for a group of zeros', () => {
    expect([...roundTrip(new Float32Array(64), 64, 32)].every((value) => value === 0)).toBe(true);
    const half = Float32Array.from({ length: 64 }, (_, i) => (i < 32 ? 0 : i));
    expect([...roundTrip(half, 64, 32).subarray(0, 32)].every((value) => value === 0)).toBe(true);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('refuses %d', (value) => {
    const values = sample(32);
    values[9] = value;
    expect(() => roundTrip(values, 32, 32)).toThrow(/cannot be quantized/);
  });

  it.each([
    { columns: 128, groupSize: 32 },
    { columns: 96, groupSize: 64 },
    { columns: 70, groupSize: 16 },
    { columns: 200, groupSize: 128 },
  ] as const)('is what ONNX Runtime multiplies with: K $columns, group $groupSize', async ({ columns, groupSize }) => {
    const rows = 24;
    const encoding = encodingOf(groupSize);
    const quantized = quantizeMatMulNBits(sample(rows * columns), columns, encoding);
    const session = await openLinear(rows, columns, encoding, quantized);
    // Whole numbers with a peak of 127 in every block pass the runtime's own rounding of activations unchanged.
    const x = Float32Array.from({ length: 2 * columns }, (_, i) =>
      (i % columns) % groupSize === 0 ? 127 : ((i * 37) % 255) - 127,
    );
    const { y } = await session.run({ x: new Tensor('float32', x, [2, columns]) });
    const weights = dequantizeMatMulNBits(quantized, columns, encoding);
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

describe.each([4, 8] as const)('%i bits without clipping', (bits) => {
  const encoding: BlockEncoding = { bits, groupSize: 32, symmetric: true, clip: 'absmax' };
  const roundTrip = (values: Float32Array): Float32Array =>
    dequantizeMatMulNBits(quantizeMatMulNBits(values, 32, encoding), 32, encoding);

  it('keeps the extreme of a group, with its sign, and a second time every value', () => {
    const values = sample(32);
    for (const extreme of [0.75, -0.75]) {
      values[5] = extreme;
      const restored = roundTrip(values);
      expect(restored[5]).toBe(extreme);
      expect(roundTrip(restored)).toEqual(restored);
    }
  });

  it('rounds ties to even', () => {
    const peak = -(2 ** (bits - 1));
    const values = new Float32Array(32);
    values.set([peak, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5]);
    expect([...roundTrip(values).subarray(0, 7)].map((value) => value + 0)).toEqual([peak, 0, 2, 2, 0, -2, -2]);
  });
});

function openLinear(
  rows: number,
  columns: number,
  encoding: BlockEncoding,
  { codes, scales, zeros }: MatMulNBitsRows,
): Promise<InferenceSession> {
  const graph = createGraph('linear', (graph) => {
    const x = graph.input('x', 'f32', ['rows', columns]);
    const weight = { name: 'w', shape: [rows, columns], encoding };
    graph.output(linear(graph, x, weight, { name: 'y' }), 'f32', ['rows', rows]);
  });
  const weights = new Map<string, ArrayBufferView>([
    [codesOf('w'), codes],
    [scalesOf('w'), scales],
    ...(zeros === null ? [] : [[zerosOf('w'), zeros] as const]),
  ]);
  return openGraph(graph, weights);
}
