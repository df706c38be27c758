import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createRandom, type Random } from '../../../src/endpoint/random.ts';
import { readTensors, tempFolder } from '../../support/checkpoint-folder.ts';
import { floatsOf, linearsOf, loraTensors, writeAdapter, writeBase } from '../../support/peft-folder.ts';
import { runInProcess } from '../../support/run-cli.ts';

/** Of Σ|terms|: one rounding of the sum to f32, and those of its products inside the matrix product. */
const ERROR_MAX = 2 ** -22;
const MODELS = 8;

/** matrix [rows, columns] · vector, and the sum of the magnitudes of its terms, in float64. */
function multiply(matrix: Float32Array, vector: Float64Array): { value: number; magnitude: number }[] {
  const columns = vector.length;
  return Array.from({ length: matrix.length / columns }, (_, row) => {
    let [value, magnitude] = [0, 0];
    for (const [column, x] of vector.entries()) {
      const term = (matrix[row * columns + column] ?? 0) * x;
      value += term;
      magnitude += Math.abs(term);
    }
    return { value, magnitude };
  });
}

function pick(next: Random, from: number, to: number): number {
  return from + Math.floor(next() * (to - from + 1));
}

it('merged forward is base forward plus adapter forward, for over 100 random adapters of random shapes', async () => {
  let adapters = 0;
  let worst = 0;
  for (let seed = 1; seed <= MODELS; seed += 1) {
    const next = createRandom(seed);
    const heads = pick(next, 1, 4);
    const config = {
      hidden_size: heads * 2 * pick(next, 1, 9),
      intermediate_size: pick(next, 1, 40),
      num_attention_heads: heads,
      num_key_value_heads: 1,
    };
    const modules = linearsOf(config).map(([module, shape]) => [module, shape, pick(next, 1, 20)] as const);
    const alphas = modules.map(([module]) => [module, pick(next, 1, 64) / 4] as const);
    const useRslora = next() < 0.5;
    const tensors = loraTensors(next, modules);
    const base = await writeBase(next, config);
    const adapter = await writeAdapter(tensors, {
      rank_pattern: Object.fromEntries(modules.map(([module, , rank]) => [module, rank])),
      alpha_pattern: Object.fromEntries(alphas),
      use_rslora: useRslora,
    });
    const out = join(await tempFolder(), 'merged');
    // Few rows at a time, so that blocks have seams.
    const { code } = await runInProcess(
      'merge',
      '--base',
      base,
      '--adapter',
      adapter,
      '--out',
      out,
      '--memory',
      '40KB',
    );
    expect(code).toBe(0);
    const [before, after] = [await readTensors(base), await readTensors(out)];
    for (const [index, [module, [, columns], rank]] of modules.entries()) {
      const x = Float64Array.from({ length: columns }, () => 2 * next() - 1);
      const scale = (alphas[index]?.[1] ?? 0) / (useRslora ? Math.sqrt(rank) : rank);
      const a = floatsOf(tensors, `base_model.model.${module}.lora_A.weight`);
      const b = floatsOf(tensors, `base_model.model.${module}.lora_B.weight`);
      const base64 = multiply(floatsOf(before, `${module}.weight`), x);
      const inner = multiply(a, x);
      const adapted = multiply(
        b,
        Float64Array.from(inner, ({ value }) => value),
      );
      const bound = multiply(
        b.map(Math.abs),
        Float64Array.from(inner, ({ magnitude }) => magnitude),
      );
      for (const [row, { value }] of multiply(floatsOf(after, `${module}.weight`), x).entries()) {
        const expected = (base64[row]?.value ?? Number.NaN) + scale * (adapted[row]?.value ?? Number.NaN);
        const magnitude = (base64[row]?.magnitude ?? 0) + scale * (bound[row]?.value ?? 0);
        worst = Math.max(worst, Math.abs(value - expected) / magnitude);
        expect(Math.abs(value - expected)).toBeLessThanOrEqual(ERROR_MAX * magnitude);
      }
      adapters += 1;
    }
  }
  expect(adapters).toBeGreaterThanOrEqual(100);
  console.info(`merge: ${adapters} random adapters, largest error ${worst.toExponential(1)} of the sum of magnitudes`);
});
