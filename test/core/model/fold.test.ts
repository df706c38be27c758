import { describe, expect, it } from 'vitest';
import {
  type FoldedEmbedding,
  foldVisionEmbedding,
  type PixelNormalisation,
  type VisionEmbedding,
} from '../../../src/core/model/fold.ts';

const PIXELS: PixelNormalisation = {
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
  eps: 1e-6,
};
const PATCH = 3 * 4 * 4;

function visionOf({ visionHidden, bias = 0.1 }: { visionHidden: number; bias?: number }): VisionEmbedding {
  let at = 0;
  const tensor = (count: number, scale: number, offset = 0): Float32Array =>
    Float32Array.from({ length: count }, () => offset + scale * Math.sin(12.9898 * ++at + 0.001 * at * at));
  return {
    visionHidden,
    hidden: 10,
    convWeight: tensor(visionHidden * PATCH, 0.2),
    convBias: tensor(visionHidden, bias),
    normWeight: tensor(visionHidden, 0.3, 1),
    posEmbed: tensor(4 * visionHidden, 0.02),
    outProj: tensor(10 * visionHidden, 0.5),
  };
}

/** models/vision_embedding.py in float64, for one patch. */
function unfolded(vision: VisionEmbedding, patch: readonly number[], position: number): number[] {
  const { visionHidden: width } = vision;
  const conv = Array.from({ length: width }, (_, d) =>
    patch.reduce((sum, byte, i) => {
      const channel = Math.floor(i / 16);
      const pixel = (byte / 255 - (PIXELS.mean[channel] ?? 0)) / (PIXELS.std[channel] ?? 1);
      return sum + pixel * (vision.convWeight[d * PATCH + i] ?? 0);
    }, vision.convBias[d] ?? 0),
  );
  const rms = Math.sqrt(conv.reduce((sum, value) => sum + value * value, 0) / width + PIXELS.eps);
  const token = conv.map(
    (value, d) => (value / rms) * (vision.normWeight[d] ?? 0) + (vision.posEmbed[position * width + d] ?? 0),
  );
  return Array.from({ length: vision.hidden }, (_, h) =>
    token.reduce((sum, value, d) => sum + value * (vision.outProj[h * width + d] ?? 0), 0),
  );
}

/** What FoldedEmbedding's docstring says, in float64 on its f32 weights. */
function folded(fold: FoldedEmbedding, patch: readonly number[], position: number): number[] {
  const v = [...patch.map((byte, i) => byte - (fold.centre[i] ?? 0)), 1];
  const times = (matrix: Float32Array): number[] => {
    const width = matrix.length / v.length;
    return Array.from({ length: width }, (_, column) =>
      v.reduce((sum, value, i) => sum + value * (matrix[i * width + column] ?? 0), 0),
    );
  };
  const square = times(fold.norm).reduce((sum, value) => sum + value * value, 0);
  const rms = Math.sqrt(square / fold.visionHidden + fold.eps);
  return times(fold.content).map((value, h) => value / rms + (fold.positions[position * fold.hidden + h] ?? 0));
}

function relativeError(found: number[], expected: number[]): number {
  const norm = (values: number[]): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  return norm(found.map((value, i) => value - (expected[i] ?? 0))) / norm(expected);
}

const patches: Record<string, number[]> = {
  black: Array.from({ length: PATCH }, () => 0),
  white: Array.from({ length: PATCH }, () => 255),
  'the mean colour': Array.from({ length: PATCH }, (_, i) => [123, 117, 104][Math.floor(i / 16)] ?? 0),
  'one byte': Array.from({ length: PATCH }, (_, i) => (i === 20 ? 255 : 0)),
  checkerboard: Array.from({ length: PATCH }, (_, i) => ((i + Math.floor(i / 4)) % 2) * 255),
  noise: Array.from({ length: PATCH }, (_, i) => (i * 7919) % 256),
};

describe('foldVisionEmbedding', () => {
  it.each([
    { name: 'D above the patch length', visionHidden: 96 },
    { name: 'D equal to it', visionHidden: PATCH },
    { name: 'D one above', visionHidden: PATCH + 1 },
    { name: 'D below', visionHidden: 12 },
  ])('equals the unfolded embedding on every kind of patch: $name', ({ visionHidden }) => {
    const vision = visionOf({ visionHidden });
    const fold = foldVisionEmbedding(vision, PIXELS);
    expect(fold.norm.length).toBe((PATCH + 1) * Math.min(visionHidden, PATCH + 1));
    for (const patch of Object.values(patches)) {
      for (const position of [0, 3]) {
        expect(relativeError(folded(fold, patch, position), unfolded(vision, patch, position))).toBeLessThan(1e-6);
      }
    }
  });

  it('keeps its precision at the mean colour when the bias is almost nothing', () => {
    const vision = visionOf({ visionHidden: 96, bias: 1e-4 });
    const fold = foldVisionEmbedding(vision, PIXELS);
    const patch = patches['the mean colour'] ?? [];
    expect(relativeError(folded(fold, patch, 0), unfolded(vision, patch, 0))).toBeLessThan(1e-6);
  });
});
