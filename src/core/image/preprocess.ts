import { type Orientation, uprightSize } from './orientation.ts';
import { type Canvas, squareCanvas, tightCanvas } from './pad.ts';
import type { PixelRows } from './pixel-rows.ts';
import type { Rgb } from './rgb.ts';
import type { ImageVision } from './resize-for-detail.ts';
import type { ResizePasses } from './resize-passes.ts';
import { createRowResizer } from './row-resizer.ts';
import { smartResize } from './smart-resize.ts';

/** How an image is stored: its full size, and where its upright corner is. */
export interface StoredImage {
  readonly width: number;
  readonly height: number;
  readonly orientation: Orientation;
}

/**
 * Makes stored rows the upright, model-sized image; the model's mean and std are folded into its patch embedding. The rows
 * may be those of a smaller copy of the image: what size the model sees is a matter of the image.
 *
 * `square`: centred on a black square, then bicubic to imageSize × imageSize. `native`: bicubic to the smart-resize size.
 * Idempotent: a model-sized image comes back as it is, which is what lets pixels travel ready-made to an endpoint.
 * Throws `invalid-image` of `param` for shapes that the native mode refuses. Source: VoRA's
 * data_module/vision_transform.py (PILExpand2Square, PILSmartResize) and its preprocessor_config.json.
 */
export async function preprocess(
  image: StoredImage,
  rows: PixelRows,
  vision: ImageVision,
  param: string,
  passes: ResizePasses,
): Promise<Rgb> {
  const { orientation } = image;
  const size = inputSize(uprightSize(image, orientation), vision, param);
  const upright = uprightSize(rows, orientation);
  const canvas = canvasOf(upright, vision);
  const resizer = createRowResizer({ stored: rows, orientation, canvas, ...size }, passes);
  await rows.read((row) => resizer.push(row));
  return resizer.finish();
}

/** How many of an image's pixels along an edge become one of the model's, at least. Throws as {@link preprocess} does. */
export function shrinkOf(image: StoredImage, vision: ImageVision, param: string): number {
  const upright = uprightSize(image, image.orientation);
  const size = inputSize(upright, vision, param);
  const canvas = canvasOf(upright, vision);
  return Math.min(canvas.width / size.width, canvas.height / size.height);
}

function canvasOf(upright: { width: number; height: number }, { resize }: ImageVision): Canvas {
  return resize.mode === 'square' ? squareCanvas(upright) : tightCanvas(upright);
}

function inputSize(
  upright: { width: number; height: number },
  { imageSize, patchSize, resize }: ImageVision,
  param: string,
): { width: number; height: number } {
  if (resize.mode === 'square') {
    return { width: imageSize, height: imageSize };
  }
  const { minPixels, maxPixels } = resize;
  return smartResize(upright.height, upright.width, { factor: patchSize, minPixels, maxPixels }, param);
}
