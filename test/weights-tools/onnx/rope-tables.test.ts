import { describe, expect, it } from 'vitest';
import { ropeTables } from '../../../weights-tools/onnx/rope-tables.ts';

describe('ropeTables', () => {
  it('holds cos and sin of position × frequency', () => {
    const { cos, sin } = ropeTables({ headDim: 8, ropeTheta: 10_000, ropeScaling: null, maxPositions: 50 });
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
