import { describe, expect, it } from 'vitest';
import { dequantizeInt, quantizeInt } from '../../../weights-tools/quantize/int-quantized.ts';

describe('W8A8', () => {
  it('stores whole numbers of both signs, to both ends', () => {
    const stored = quantizeInt(Float32Array.of(-127.5, -1, 0, 1, 2, 127.5, 0, 0, 0, 0, 0, 255), 6);
    expect([...stored.scales]).toEqual([1, 2]);
    expect([...stored.codes]).toEqual([-128, -1, 0, 1, 2, 127, 0, 0, 0, 0, 0, 127]);
    expect([...dequantizeInt(stored, 6)]).toEqual([-128, -1, 0, 1, 2, 127, 0, 0, 0, 0, 0, 254]);
  });
});
