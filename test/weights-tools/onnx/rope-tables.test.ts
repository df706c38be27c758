import { describe, expect, it } from 'vitest';
import { ropeTable } from '../../../weights-tools/onnx/rope-tables.ts';
import { readWhole } from '../../support/read-whole.ts';

const FACTS = { headDim: 8, ropeTheta: 10_000, ropeScaling: null, maxPositions: 50 };

describe('ropeTable', () => {
  it('holds cos or sin of position × frequency, however it is read', async () => {
    const cos = await readWhole(ropeTable('cos', 'cos', FACTS), 7);
    const sin = await readWhole(ropeTable('sin', 'sin', FACTS));
    expect(cos).toHaveLength(50 * 4);
    for (const [position, pair] of [
      [0, 0],
      [1, 0],
      [7, 2],
      [49, 3],
    ] as const) {
      const angle = position / 10_000 ** (pair / 4);
      expect(cos[position * 4 + pair]).toBeCloseTo(Math.cos(angle), 5);
      expect(sin[position * 4 + pair]).toBeCloseTo(Math.sin(angle), 5);
    }
  });
});
