import type { ResizeMode, VisionFacts } from '../model/manifest.ts';
import type { Detail } from '../protocol/chat-message.ts';

/** How one image is made model-ready: one of VoRA's two modes. */
export type ImageResize = Exclude<ResizeMode, { mode: 'by-detail' }>;

/** A model's facts as far as one image's preprocessing goes. */
export type ImageVision = Pick<VisionFacts, 'imageSize' | 'patchSize'> & { readonly resize: ImageResize };

/** The mode for an image of this detail: only `high` makes a difference, and only where the model's settings say so. */
export function resizeForDetail(resize: ResizeMode, detail: Detail): ImageResize {
  if (resize.mode !== 'by-detail') {
    return resize;
  }
  const { minPixels, maxPixels } = resize;
  return detail === 'high' ? { mode: 'native', minPixels, maxPixels } : { mode: 'square' };
}

/** The same facts, for an image of this detail. */
export function visionForDetail<Vision extends Pick<VisionFacts, 'resize'>>(
  vision: Vision,
  detail: Detail,
): Omit<Vision, 'resize'> & { resize: ImageResize } {
  return { ...vision, resize: resizeForDetail(vision.resize, detail) };
}
