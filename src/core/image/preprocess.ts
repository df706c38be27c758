import type { VisionFacts } from '../model/manifest.ts';
import { squareCanvas } from './pad.ts';
import { resizeBicubic } from './resize.ts';
import type { Rgb } from './rgb.ts';
import { smartResize } from './smart-resize.ts';

/**
 * Makes an upright image model-sized; the model's mean and std are folded into its patch embedding.
 *
 * `square`: centred on a black square, then bicubic to imageSize × imageSize. `native`: bicubic to the smart-resize size.
 * Idempotent: a model-sized image comes back as it is, which is what lets pixels travel ready-made to an endpoint.
 * Throws `invalid-image` of `param` for shapes that the native mode refuses. Source: VoRA's
 * data_module/vision_transform.py (PILExpand2Square, PILSmartResize) and its preprocessor_config.json.
 */
export function preprocess(
  image: Rgb,
  vision: Pick<VisionFacts, 'imageSize' | 'patchSize' | 'resize'>,
  param: string,
): Rgb {
  if (vision.resize.mode === 'square') {
    return resizeBicubic(image, vision.imageSize, vision.imageSize, squareCanvas(image));
  }
  const { minPixels, maxPixels } = vision.resize;
  const size = smartResize(image.height, image.width, { factor: vision.patchSize, minPixels, maxPixels }, param);
  return resizeBicubic(image, size.width, size.height);
}
