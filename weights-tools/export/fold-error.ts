import type { PatchEmbedder } from '../../src/core/image/patch-embedder.ts';
import type { Patches } from '../../src/core/image/patchify.ts';
import type { PixelNormalisation, VisionEmbedding } from '../../src/core/model/fold.ts';

/** Patches, and what the unfolded embedding makes of each in float64. */
export interface FoldProbe {
  readonly patches: Patches;
  readonly expected: readonly Float64Array[];
}

/** All {@link probePatches}, no more at once than there are positions. */
export function foldProbes(vision: VisionEmbedding, pixels: PixelNormalisation): FoldProbe[] {
  const patchLength = vision.convWeight.length / vision.visionHidden;
  const tableRows = vision.posEmbed.length / vision.visionHidden;
  const all = probePatches(patchLength, pixels);
  const batch = Math.min(all.length, tableRows);
  return Array.from({ length: Math.ceil(all.length / batch) }, (_, i) => {
    const patches = all.slice(i * batch, (i + 1) * batch);
    const data = new Uint8Array(patches.length * patchLength);
    patches.forEach((patch, position) => data.set(patch, position * patchLength));
    const expected = patches.map((patch, position) => unfolded(vision, pixels, patch, position));
    return { patches: { data, rows: 1, cols: patches.length }, expected };
  });
}

/** The largest relative error of a patch over all probes, ‖folded − unfolded‖ / ‖unfolded‖. */
export async function foldError(embedder: PatchEmbedder, probes: readonly FoldProbe[]): Promise<number> {
  let worst = 0;
  for (const { patches, expected } of probes) {
    const embeddings = await embedder.embed(patches);
    const hidden = embeddings.length / expected.length;
    for (const [position, exact] of expected.entries()) {
      const folded = embeddings.subarray(position * hidden, (position + 1) * hidden);
      worst = Math.max(worst, relativeError(folded, exact));
    }
  }
  return worst;
}

/**
 * VoRA's vision embedding of one patch in float64, operation by operation as models/vision_embedding.py has them: scale,
 * normalise, convolve, RMSNorm, position, projection.
 *
 * @param patch bytes in (channel, row, column) order
 * @param position row of the position table
 * @returns [hidden]
 */
export function unfolded(
  vision: VisionEmbedding,
  { mean, std, eps }: PixelNormalisation,
  patch: Uint8Array,
  position: number,
): Float64Array {
  const { visionHidden, hidden } = vision;
  const channelLength = patch.length / mean.length;
  const normalised = Float64Array.from(patch, (byte, i) => {
    const channel = Math.floor(i / channelLength);
    return (byte / 255 - (mean[channel] ?? 0)) / (std[channel] ?? 1);
  });
  const convolved = multiply(vision.convWeight, normalised, visionHidden).map(
    (value, i) => value + (vision.convBias[i] ?? 0),
  );
  const rms = Math.sqrt(convolved.reduce((sum, value) => sum + value * value, 0) / visionHidden + eps);
  const positioned = convolved.map(
    (value, i) => (value / rms) * (vision.normWeight[i] ?? 0) + (vision.posEmbed[position * visionHidden + i] ?? 0),
  );
  return multiply(vision.outProj, positioned, hidden);
}

/** Flat and extreme patches, one of the mean colour, where cancellation is worst, single bytes, and noise. */
function probePatches(patchLength: number, { mean }: PixelNormalisation): Uint8Array[] {
  const fill = (byteAt: (index: number) => number): Uint8Array =>
    Uint8Array.from({ length: patchLength }, (_, index) => byteAt(index));
  const channelLength = patchLength / mean.length;
  const side = Math.sqrt(channelLength);
  const flat = [0, 1, 64, 127, 128, 192, 255].map((byte) => fill(() => byte));
  const meanColour = fill((i) => Math.round(255 * (mean[Math.floor(i / channelLength)] ?? 0)));
  const checkerboard = fill((i) => ((Math.floor(i / side) + (i % side)) % 2) * 255);
  const single = [0, Math.floor(patchLength / 2), patchLength - 1].map((place) => fill((i) => (i === place ? 255 : 0)));
  const noise = noiseSource();
  const random = Array.from({ length: 8 }, () => fill(noise));
  const faint = Array.from({ length: 4 }, () => fill(() => 126 + (noise() % 4)));
  return [...flat, meanColour, checkerboard, ...single, ...random, ...faint];
}

/** Bytes of a linear congruential generator (Numerical Recipes' constants): the same probes for every export. */
function noiseSource(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  };
}

/** matrix [rows, x.length] · x in float64. */
function multiply(matrix: Float32Array, x: Float64Array, rows: number): Float64Array {
  return Float64Array.from({ length: rows }, (_, row) =>
    x.reduce((sum, value, i) => sum + value * (matrix[row * x.length + i] ?? 0), 0),
  );
}

function relativeError(found: Float32Array, expected: Float64Array): number {
  let error = 0;
  let norm = 0;
  for (const [i, value] of expected.entries()) {
    error += ((found[i] ?? Number.NaN) - value) ** 2;
    norm += value ** 2;
  }
  return Math.sqrt(error / norm);
}
