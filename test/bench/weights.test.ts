import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { measure } from '../../bench/weights/process-tree.ts';
import { peft1b5, vora7b } from '../../bench/weights/shape.ts';
import { writePeftAdapter, writePlainModel, writeVoraCheckpoint } from '../../bench/weights/synthetic-model.ts';
import { llmShapes } from '../../src/core/model/tensor-names.ts';
import { tempFolder } from '../support/checkpoint-folder.ts';
import { runInProcess } from '../support/run-cli.ts';

describe('synthetic checkpoints of the benchmark', () => {
  it('are what merge takes for VoRA', async () => {
    const folder = join(await tempFolder(), 'vora');
    await writeVoraCheckpoint(folder, vora7b('tiny'));
    const { code, stdout } = await runInProcess('merge', folder, '--out', `${folder}-merged`, '--dry-run');
    expect(code).toBe(0);
    expect(stdout).toContain('7 tensors');
  });

  it('are what merge takes for PEFT', async () => {
    const folder = await tempFolder();
    const [base, adapter] = [join(folder, 'base'), join(folder, 'adapter')];
    await writePlainModel(base, peft1b5('tiny'));
    await writePeftAdapter(adapter, peft1b5('tiny'), base);
    const args = ['merge', '--base', base, '--adapter', adapter, '--out', join(folder, 'out'), '--dry-run'];
    expect(await runInProcess(...args)).toMatchObject({ code: 0, stderr: '' });
  });

  it('have the sizes of the models they stand for', () => {
    const parameters = (shapes: ReadonlyMap<string, readonly number[]>): number =>
      [...shapes.values()].reduce((sum, shape) => sum + shape.reduce((product, size) => product * size, 1), 0);
    // The model cards: 7.61 and 1.54 billion.
    expect(parameters(llmShapes(vora7b('full').llm)) / 1e9).toBeCloseTo(7.615, 2);
    expect(parameters(llmShapes(peft1b5('full').llm)) / 1e9).toBeCloseTo(1.544, 2);
  });
});

describe('the measure of a command', () => {
  it('sees memory of the processes that it starts', async () => {
    const hold = 'const b = Buffer.alloc(3e8, 1); setTimeout(() => process.exit(b[0] - 1), 600)';
    const { seconds, peakBytes } = await measure('sh', ['-c', `"${process.execPath}" -e '${hold}'; true`]);
    expect(seconds).toBeGreaterThan(0.6);
    expect(peakBytes).toBeGreaterThan(3e8);
    expect(peakBytes).toBeLessThan(5e8);
  });

  it('says why a command failed', async () => {
    await expect(measure('sh', ['-c', 'echo no space >&2; exit 3'])).rejects.toThrow(/exit code 3\nno space/);
  });
});
