import { multiplyTransposed } from './multiply-transposed.ts';
import { triangularFactor } from './triangular-factor.ts';

/** VoRA's vision embedding as the checkpoint holds it (models/vision_embedding.py), row-major f32. */
export interface VisionEmbedding {
  /** Width D between the convolution and the projection. */
  readonly visionHidden: number;
  /** Width of the LLM. */
  readonly hidden: number;
  /** Convolution [D, 3 · p · p]: one row over (channel, row, column) per output. */
  readonly convWeight: Float32Array;
  /** [D] */
  readonly convBias: Float32Array;
  /** RMSNorm's γ [D]. */
  readonly normWeight: Float32Array;
  /** [table rows, D] */
  readonly posEmbed: Float32Array;
  /** [hidden, D] */
  readonly outProj: Float32Array;
}

/** What stands between a pixel of 0..255 and the convolution, and inside the norm. */
export interface PixelNormalisation {
  /** Per channel, of pixels scaled to 0..1. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** The LLM's rms_norm_eps: VoRA overwrites its own (weights-formats: VoRAConfig.update). */
  readonly eps: number;
}

/**
 * The same function of a raw patch x (3 · p · p bytes) with one matrix product of full width instead of two:
 *
 *     v = [x − centre, 1];   embedding = (v / sqrt(‖v · norm‖² / D + eps)) · content + positions[n]
 *
 * `centre` is the byte nearest to the mean pixel. Without it a patch of about that colour would be the small difference of
 * two large products, and f32 would lose up to three digits there that the unfolded form keeps.
 */
export interface FoldedEmbedding {
  readonly patchLength: number;
  readonly hidden: number;
  readonly visionHidden: number;
  readonly eps: number;
  /** [patchLength] */
  readonly centre: Float32Array;
  /** Convolution, γ and projection: [patchLength + 1, hidden]. */
  readonly content: Float32Array;
  /** As long as the convolution, for every v: [patchLength + 1, min(D, patchLength + 1)]. */
  readonly norm: Float32Array;
  /** Position table behind the projection, [table rows, hidden]. */
  readonly positions: Float32Array;
}

/**
 * Folds convolution, pixel normalisation, γ and projection into one matrix. Only RMSNorm's scalar is not linear; it needs
 * ‖C·x + b‖ alone, which the triangular factor of [C b] gives with 3 · p · p + 1 rows instead of D.
 *
 * Float64 throughout, rounded to f32 once at the end. 7B size (588 → 1536 → 3584) takes seconds.
 */
export function foldVisionEmbedding(vision: VisionEmbedding, pixels: PixelNormalisation): FoldedEmbedding {
  const { visionHidden, hidden } = vision;
  const patchLength = vision.convWeight.length / visionHidden;
  const centre = centrePixels(pixels, patchLength);
  const conv = foldPixels(vision, pixels, centre);
  const projection = Float64Array.from(vision.outProj);
  const scaled = projection.map((value, i) => value * (vision.normWeight[i % visionHidden] ?? 0));

  const rowCount = patchLength + 1;
  const content = multiplyTransposed(conv, scaled, rowCount, hidden, visionHidden);
  const norm = triangularFactor(conv, visionHidden, rowCount);
  const tableRows = vision.posEmbed.length / visionHidden;
  const positions = multiplyTransposed(Float64Array.from(vision.posEmbed), projection, tableRows, hidden, visionHidden);
  return {
    patchLength,
    hidden,
    visionHidden,
    eps: pixels.eps,
    centre,
    content: Float32Array.from(content),
    norm: Float32Array.from(norm),
    positions: Float32Array.from(positions),
  };
}

/** The byte nearest to the channel's mean, for every place of a patch. */
function centrePixels({ mean }: PixelNormalisation, patchLength: number): Float32Array {
  const channelLength = patchLength / mean.length;
  return Float32Array.from({ length: patchLength }, (_, i) =>
    Math.round(255 * (mean[Math.floor(i / channelLength)] ?? 0)),
  );
}

/**
 * The convolution W·((x/255 − mean)/std) + b₀ = C·(x − centre) + b on raw bytes, as [C b]ᵀ [patchLength + 1, D].
 */
function foldPixels(vision: VisionEmbedding, { mean, std }: PixelNormalisation, centre: Float32Array): Float64Array {
  const { visionHidden, convWeight, convBias } = vision;
  const patchLength = centre.length;
  const channelLength = patchLength / mean.length;
  const folded = new Float64Array((patchLength + 1) * visionHidden);
  for (let output = 0; output < visionHidden; output++) {
    let bias = convBias[output] ?? 0;
    for (let i = 0; i < patchLength; i++) {
      const channel = Math.floor(i / channelLength);
      const weight = (convWeight[output * patchLength + i] ?? 0) / (std[channel] ?? 1);
      folded[i * visionHidden + output] = weight / 255;
      bias += weight * ((centre[i] ?? 0) / 255 - (mean[channel] ?? 0));
    }
    folded[patchLength * visionHidden + output] = bias;
  }
  return folded;
}
