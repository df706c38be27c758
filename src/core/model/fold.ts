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
 * The same function of a raw patch x (3 · p · p bytes) with one matrix product instead of two:
 *
 *     [y, z] = (x − centre) · weight + bias;   embedding = y / sqrt(‖z‖² / D + eps) + positions[n]
 *
 * `centre` is the byte nearest to the mean pixel. Without it a patch of about that colour would be the small difference of
 * two large products, and f32 would lose up to three digits there that the unfolded form keeps.
 */
export interface FoldedEmbedding {
  readonly patchLength: number;
  readonly hidden: number;
  /** Width of z. */
  readonly normRows: number;
  readonly visionHidden: number;
  readonly eps: number;
  /** [patchLength] */
  readonly centre: Float32Array;
  /** [patchLength, hidden + normRows] */
  readonly weight: Float32Array;
  /** [hidden + normRows] */
  readonly bias: Float32Array;
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
  const projected = multiplyTransposed(conv, scaled, rowCount, hidden, visionHidden);
  const factor = triangularFactor(conv, visionHidden, rowCount);
  const normRows = Math.min(visionHidden, rowCount);
  const rows = besides(projected, factor, rowCount, hidden, normRows);

  const tableRows = vision.posEmbed.length / visionHidden;
  const positions = multiplyTransposed(Float64Array.from(vision.posEmbed), projection, tableRows, hidden, visionHidden);
  return {
    patchLength,
    hidden,
    normRows,
    visionHidden,
    eps: pixels.eps,
    centre,
    weight: rows.slice(0, patchLength * (hidden + normRows)),
    bias: rows.slice(patchLength * (hidden + normRows)),
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

/** Two matrices with the same number of rows, side by side, as f32. */
function besides(
  left: Float64Array,
  right: Float64Array,
  rows: number,
  leftColumns: number,
  rightColumns: number,
): Float32Array {
  const columns = leftColumns + rightColumns;
  const result = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    result.set(left.subarray(row * leftColumns, (row + 1) * leftColumns), row * columns);
    result.set(right.subarray(row * rightColumns, (row + 1) * rightColumns), row * columns + leftColumns);
  }
  return result;
}
