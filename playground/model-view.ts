import { dropAlpha } from '../src/core/image/drop-alpha.ts';
import { decodeGif } from '../src/core/image/gif-codec.ts';
import { jpegEighths } from '../src/core/image/jpeg-scale.ts';
import { uprightSize } from '../src/core/image/orientation.ts';
import { rowsOf } from '../src/core/image/pixel-rows.ts';
import { plainPasses } from '../src/core/image/plain-passes.ts';
import { preprocess, shrinkOf, type StoredImage } from '../src/core/image/preprocess.ts';
import { type ImageVision, visionForDetail } from '../src/core/image/resize-for-detail.ts';
import type { Rgb } from '../src/core/image/rgb.ts';
import { type ImageHeader, sniffImage } from '../src/core/image/sniff.ts';
import type { ResizeMode } from '../src/core/model/manifest.ts';
import { blankExif } from './without-exif.ts';

/** What the worker says of its model (`/playground/facts.json`). */
export interface VisionFacts {
  imageSize: number;
  patchSize: number;
  resize: ResizeMode;
  hiddenSize: number;
}

/** A picture as the model sees it. */
export interface ModelView {
  /** The model's exact input, but for the caveat. */
  input: Rgb;
  rows: number;
  columns: number;
  /** Size of the picture as it was given, where the page knows it. */
  given: { width: number; height: number } | null;
  /** Why the model may see something else; null where it does not. */
  caveat: string | null;
}

/**
 * Does with a picture what the worker does, by the same code.
 *
 * @throws RequestError in the API's words where the worker will refuse it; else where the browser cannot decode it.
 */
export async function viewAsModel(file: Blob, vision: VisionFacts): Promise<ModelView> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const header = sniffImage(bytes, 'picture');
  // The page asks without a detail.
  const sight = visionForDetail(vision, 'auto');
  if (header.format === 'gif') {
    const input = await preprocess(header, decodeGif(bytes, header, 'picture'), sight, 'picture', plainPasses);
    return { ...inPatches(input, vision), given: uprightSize(header, header.orientation), caveat: null };
  }
  const isAvif = header.format === 'avif';
  const { width, height, rgba } = await decode(new Blob([isAvif ? bytes : blankExif(bytes, header.format)]));
  const caveat = caveatOf(header, rgba, sight);
  // What turns an AVIF is no EXIF, and every browser heeds it.
  const stored: StoredImage = isAvif ? { width, height, orientation: 1 } : header;
  const input = await preprocess(
    stored,
    rowsOf({ width, height, data: dropAlpha(rgba, rgba) }),
    sight,
    'picture',
    plainPasses,
  );
  return { ...inPatches(input, vision), given: uprightSize(header, header.orientation), caveat };
}

/** Where a browser's decoder parts from the worker's, which reads as Pillow does. */
function caveatOf(header: ImageHeader, rgba: Uint8Array, sight: ImageVision): string | null {
  if (hasTransparency(rgba)) {
    return 'Where it is transparent, the model sees the colours beneath; a browser does not keep them.';
  }
  if (header.format === 'jpeg' && jpegEighths(header, shrinkOf(header, sight, 'picture')) < 8) {
    return 'The worker decodes so large a photo at a smaller size, which may differ by single levels of brightness.';
  }
  if (header.format === 'avif') {
    return 'The worker makes the colours of an AVIF by other rounding, which may differ by single levels of brightness.';
  }
  const rare = header.format === 'jpeg' ? header.components === 4 : header.format === 'png' && header.grey16;
  return rare ? 'A browser reads the colours of such a file in a way of its own.' : null;
}

/** What the worker made of a picture. */
export async function readModelInput(png: Blob, vision: VisionFacts): Promise<ModelView> {
  const { width, height, rgba } = await decode(png);
  return { ...inPatches({ width, height, data: dropAlpha(rgba, rgba) }, vision), given: null, caveat: null };
}

function inPatches(input: Rgb, { patchSize }: VisionFacts): Pick<ModelView, 'input' | 'rows' | 'columns'> {
  return { input, rows: input.height / patchSize, columns: input.width / patchSize };
}

async function decode(file: Blob): Promise<{ width: number; height: number; rgba: Uint8Array<ArrayBuffer> }> {
  const bitmap = await createImageBitmap(file, { premultiplyAlpha: 'none', colorSpaceConversion: 'none' });
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (context === null) {
    throw new Error('no canvas');
  }
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { width, height, rgba: new Uint8Array(context.getImageData(0, 0, width, height).data.buffer) };
}

export function drawRgb({ width, height, data }: Rgb, canvas: HTMLCanvasElement): void {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let from = 0, to = 0; from < data.length; from += 3, to += 4) {
    image.data.set(data.subarray(from, from + 3), to);
    image.data[to + 3] = 255;
  }
  canvas.getContext('2d')?.putImageData(image, 0, 0);
}

function hasTransparency(rgba: Uint8Array): boolean {
  for (let at = 3; at < rgba.length; at += 4) {
    if (rgba[at] !== 255) {
      return true;
    }
  }
  return false;
}
