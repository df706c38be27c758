import { expect, it } from 'vitest';
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from '../../../src/core/bytes/float.ts';
import { createRandom } from '../../../src/endpoint/random.ts';
import { roundAndMeasure } from '../../../weights-tools/merge/rounding-loss.ts';

const next = createRandom(11);
/** Ties, subnormals, both zeros and the largest numbers among random ones; past one chunk, and no multiple of it. */
const EXTREMES = [
  0,
  -0,
  1 + 2 ** -8,
  1 + 3 * 2 ** -8,
  -(1 + 2 ** -8),
  1e-40,
  -1e-45,
  2 ** -14,
  2 ** -24,
  65_504,
  -65_503,
];
const values = Float32Array.from({ length: 10_001 }, (_, i) => EXTREMES[i] ?? 4 * next() - 2);
const before = values.map((value) => value + 1e-2 * (next() - 0.5));

function squares(items: readonly number[]): number {
  return items.reduce((sum, value) => sum + value * value, 0);
}

it.each([
  ['F32', (input: Float32Array) => input, (input: Float32Array) => input],
  ['BF16', (input: Float32Array) => f32ToBf16(input), (input: Float32Array) => bf16ToF32(f32ToBf16(input))],
  ['F16', (input: Float32Array) => f32ToF16(input), (input: Float32Array) => f16ToF32(f32ToF16(input))],
] as const)('%s is rounded as by the plain encoder, and what that took is measured', (dtype, encode, round) => {
  const expected = encode(values.slice());
  const rounded = [...round(values.slice())];
  const tally = { base: 0, added: 0, lost: 0 };
  const bytes = roundAndMeasure(dtype, before, values.slice(), tally);
  expect(Buffer.compare(bytes, new Uint8Array(expected.buffer))).toBe(0);
  expect(tally.base).toBeCloseTo(squares([...before]), -3);
  expect(tally.added / squares([...values].map((value, i) => value - (before[i] ?? 0)))).toBeCloseTo(1, 9);
  const lost = squares([...values].map((value, i) => (rounded[i] ?? 0) - value));
  expect(tally.lost).toBeCloseTo(lost, 9);
  expect(lost > 0).toBe(dtype !== 'F32');
});
