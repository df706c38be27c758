import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { PixelNormalisation, VisionEmbedding } from '../../src/core/model/fold.ts';

/**
 * The largest relative error, ‖folded − unfolded‖ / ‖unfolded‖ of one patch, over {@link probePatches}: `model`, the bytes
 * of a patch_embed.onnx, in ONNX Runtime against the unfolded embedding in float64.
 */
export async function foldError(
  model: Uint8Array,
  vision: VisionEmbedding,
  pixels: PixelNormalisation,
): Promise<number> {
  const patchLength = vision.convWeight.length / vision.visionHidden;
  const tableRows = vision.posEmbed.length / vision.visionHidden;
  const probes = probePatches(patchLength, pixels);
  const batch = Math.min(probes.length, tableRows);
  const session = await InferenceSession.create(model);
  try {
    let worst = 0;
    for (let start = 0; start < probes.length; start += batch) {
      const patches = probes.slice(start, start + batch);
      const embeddings = await embed(session, patches);
      for (const [position, patch] of patches.entries()) {
        const folded = embeddings.subarray(position * vision.hidden, (position + 1) * vision.hidden);
        worst = Math.max(worst, relativeError(folded, unfolded(vision, pixels, patch, position)));
      }
    }
    return worst;
  } finally {
    await session.release();
  }
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

async function embed(session: InferenceSession, patches: readonly Uint8Array[]): Promise<Float32Array> {
  const patchLength = patches[0]?.length ?? 0;
  const bytes = new Uint8Array(patches.length * patchLength);
  patches.forEach((patch, i) => bytes.set(patch, i * patchLength));
  const { embeddings } = await session.run({
    patches: new Tensor('uint8', bytes, [patches.length, patchLength]),
    grid: new Tensor('int64', BigInt64Array.of(1n, BigInt(patches.length)), [2]),
  });
  if (embeddings === undefined || !(embeddings.data instanceof Float32Array)) {
    throw new TypeError('patch_embed.onnx gave no f32 embeddings');
  }
  return embeddings.data;
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
