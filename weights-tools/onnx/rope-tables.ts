import type { LlmFacts } from '../../src/core/model/manifest.ts';

/**
 * cos and sin of position × frequency, f32 [maxPositions, headDim / 2], for rotate-half RoPE.
 *
 * Frequencies and angles are rounded to f32 as transformers' rotary embeddings round them: at position 32 000 an exact
 * angle would differ from the trained one by about 1e-3.
 */
export function ropeTables({
  headDim,
  ropeTheta,
  ropeScaling,
  maxPositions,
}: Pick<LlmFacts, 'headDim' | 'ropeTheta' | 'ropeScaling' | 'maxPositions'>): { cos: Float32Array; sin: Float32Array } {
  const half = headDim / 2;
  const plain = Float32Array.from({ length: half }, (_, i) => 1 / Math.fround(ropeTheta ** ((2 * i) / headDim)));
  const frequencies = ropeScaling === null ? plain : plain.map((frequency) => stretched(frequency, ropeScaling));
  const cos = new Float32Array(maxPositions * half);
  const sin = new Float32Array(maxPositions * half);
  for (let position = 0; position < maxPositions; position++) {
    frequencies.forEach((frequency, i) => {
      const angle = Math.fround(position * frequency);
      cos[position * half + i] = Math.cos(angle);
      sin[position * half + i] = Math.sin(angle);
    });
  }
  return { cos, sin };
}

/** Llama 3.1's frequencies (transformers, modeling_rope_utils.py, `_compute_llama3_parameters`). */
function stretched(frequency: number, scaling: NonNullable<LlmFacts['ropeScaling']>): number {
  const { factor, lowFrequencyFactor, highFrequencyFactor, originalMaxPositions } = scaling;
  const turns = (originalMaxPositions * frequency) / (2 * Math.PI);
  const kept = (turns - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor);
  const share = Math.min(Math.max(kept, 0), 1);
  return ((1 - share) * frequency) / factor + share * frequency;
}
