import type { LlmFacts } from '../../src/core/model/manifest.ts';
import type { WeightRows } from '../weight-rows.ts';

type RopeFacts = Pick<LlmFacts, 'headDim' | 'ropeTheta' | 'ropeScaling' | 'maxPositions'>;

/**
 * Cosines or sines of position × frequency, f32 [maxPositions, headDim / 2], for rotate-half RoPE. Computed as they are read:
 * for a million positions they have half a gigabyte.
 *
 * Frequencies and angles are rounded to f32 as transformers' rotary embeddings round them: at position 32 000 an exact
 * angle would differ from the trained one by about 1e-3.
 */
export function ropeTable(name: string, of: 'cos' | 'sin', facts: RopeFacts): WeightRows {
  const frequencies = ropeFrequencies(facts);
  const turn = Math[of];
  return {
    name,
    shape: [facts.maxPositions, frequencies.length],
    scratchFloats: () => 0,
    read(first, out) {
      for (let i = 0; i < out.length; i += 1) {
        const position = first + Math.floor(i / frequencies.length);
        out[i] = turn(Math.fround(position * (frequencies[i % frequencies.length] ?? 0)));
      }
      return Promise.resolve();
    },
  };
}

function ropeFrequencies({ headDim, ropeTheta, ropeScaling }: RopeFacts): Float32Array {
  const half = headDim / 2;
  const plain = Float32Array.from({ length: half }, (_, i) => 1 / Math.fround(ropeTheta ** ((2 * i) / headDim)));
  return ropeScaling === null ? plain : plain.map((frequency) => stretched(frequency, ropeScaling));
}

/** Llama 3.1's frequencies (transformers, modeling_rope_utils.py, `_compute_llama3_parameters`). */
function stretched(frequency: number, scaling: NonNullable<LlmFacts['ropeScaling']>): number {
  const { factor, lowFrequencyFactor, highFrequencyFactor, originalMaxPositions } = scaling;
  const turns = (originalMaxPositions * frequency) / (2 * Math.PI);
  const kept = (turns - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor);
  const share = Math.min(Math.max(kept, 0), 1);
  return ((1 - share) * frequency) / factor + share * frequency;
}
