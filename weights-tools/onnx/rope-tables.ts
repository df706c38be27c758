/**
 * cos and sin of position × frequency, f32 [maxPositions, headDim / 2], for rotate-half RoPE.
 *
 * Frequencies and angles are rounded to f32 as transformers' Qwen2RotaryEmbedding rounds them: at position 32 000 an
 * exact angle would differ from the trained one by about 1e-3.
 */
export function ropeTables(
  headDim: number,
  ropeTheta: number,
  maxPositions: number,
): { cos: Float32Array; sin: Float32Array } {
  const half = headDim / 2;
  const frequencies = Float32Array.from({ length: half }, (_, i) => 1 / Math.fround(ropeTheta ** ((2 * i) / headDim)));
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
