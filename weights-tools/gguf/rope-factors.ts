import type { LlmFacts } from '../../src/core/model/manifest.ts';

/**
 * What llama.cpp divides each frequency of RoPE by, f32 [headDim / 2], for Llama 3.1's stretched positions: 1 for short
 * waves, `factor` for long ones, blended in between (conversion/llama.py, `generate_extra_tensors`).
 */
export function ropeFactors(
  { headDim, ropeTheta }: Pick<LlmFacts, 'headDim' | 'ropeTheta'>,
  scaling: NonNullable<LlmFacts['ropeScaling']>,
): Float32Array {
  const { factor, lowFrequencyFactor, highFrequencyFactor, originalMaxPositions } = scaling;
  return Float32Array.from({ length: headDim / 2 }, (_, i) => {
    const waves = (originalMaxPositions * ropeTheta ** ((-2 * i) / headDim)) / (2 * Math.PI);
    if (waves > highFrequencyFactor) {
      return 1;
    }
    if (waves < lowFrequencyFactor) {
      return factor;
    }
    const share = (waves - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor);
    return 1 / ((1 - share) / factor + share);
  });
}
