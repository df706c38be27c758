import { IMAGE_MAX_ASPECT_RATIO } from '../limits.ts';
import { invalidImage } from './image-failure.ts';

export interface SmartResizeBounds {
  /** Both edges become multiples of this: the patch size. */
  readonly factor: number;
  readonly minPixels: number;
  readonly maxPixels: number;
}

/**
 * Size for the native-resolution mode: multiples of `factor`, area within the bounds, aspect ratio nearly kept.
 *
 * Equal to `smart_resize` of VoRA's data_module/vision_transform.py, Python's half-to-even `round` included. What raises
 * ValueError there is an `invalid-image` failure of `param` here, and so is a strip that would lose its last row or column.
 */
export function smartResize(
  height: number,
  width: number,
  bounds: SmartResizeBounds,
  param: string,
): { height: number; width: number } {
  const { factor, minPixels, maxPixels } = bounds;
  if (height < factor || width < factor) {
    throw invalidImage(param, `The image is ${width}×${height} px; both edges must be at least ${factor} px`);
  }
  if (Math.max(height, width) / Math.min(height, width) > IMAGE_MAX_ASPECT_RATIO) {
    throw invalidImage(
      param,
      `The image is ${width}×${height} px; its aspect ratio must be at most ${IMAGE_MAX_ASPECT_RATIO}:1`,
    );
  }
  let rows = roundHalfToEven(height / factor);
  let columns = roundHalfToEven(width / factor);
  // The order of operations below is the reference's: another one rounds differently at the edge of a multiple.
  if (rows * factor * (columns * factor) > maxPixels) {
    const shrink = Math.sqrt((height * width) / maxPixels);
    rows = Math.floor(height / shrink / factor);
    columns = Math.floor(width / shrink / factor);
  } else if (rows * factor * (columns * factor) < minPixels) {
    const grow = Math.sqrt(minPixels / (height * width));
    rows = Math.ceil((height * grow) / factor);
    columns = Math.ceil((width * grow) / factor);
  }
  if (rows === 0 || columns === 0) {
    throw invalidImage(param, `The image is ${width}×${height} px; at ${maxPixels} px it is narrower than one patch`);
  }
  return { height: rows * factor, width: columns * factor };
}

function roundHalfToEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest === 0.5) {
    return below % 2 === 0 ? below : below + 1;
  }
  return rest < 0.5 ? below : below + 1;
}
