import { dropAlpha } from '../src/core/image/drop-alpha.ts';
import { preprocess } from '../src/core/image/preprocess.ts';
import type { Rgb } from '../src/core/image/rgb.ts';
import { IMAGE_MAX_PIXELS } from '../src/core/limits.ts';
import type { ResizeMode } from '../src/core/model/manifest.ts';

/** What the worker says of its model (`/playground/facts.json`). */
export interface VisionFacts {
  imageSize: number;
  patchSize: number;
  resize: ResizeMode;
  hiddenSize: number;
}

/** A picture as the model sees it. */
export interface ModelView {
  /** The model's exact input; of a file the browser decoded it, which for JPEG may differ in a bit. */
  input: Rgb;
  rows: number;
  columns: number;
  /** Size of the picture as it was given, where the page knows it. */
  given: { width: number; height: number } | null;
  /** Parts of it are transparent: the model sees the colours beneath, which a browser does not keep. */
  transparent: boolean;
}

/**
 * Does with a picture what the worker does, by the same code.
 *
 * @throws where the browser cannot decode it, it is larger than the worker takes, or its shape is refused.
 */
export async function viewAsModel(file: Blob, vision: VisionFacts): Promise<ModelView> {
  const { width, height, rgba } = await decode(file);
  const transparent = hasTransparency(rgba);
  const input = preprocess({ width, height, data: dropAlpha(rgba, rgba) }, vision, 'picture');
  return { ...inPatches(input, vision), given: { width, height }, transparent };
}

/** What the worker made of a picture. */
export async function readModelInput(png: Blob, vision: VisionFacts): Promise<ModelView> {
  const { width, height, rgba } = await decode(png);
  return { ...inPatches({ width, height, data: dropAlpha(rgba, rgba) }, vision), given: null, transparent: false };
}

function inPatches(input: Rgb, { patchSize }: VisionFacts): Pick<ModelView, 'input' | 'rows' | 'columns'> {
  return { input, rows: input.height / patchSize, columns: input.width / patchSize };
}

async function decode(file: Blob): Promise<{ width: number; height: number; rgba: Uint8Array<ArrayBuffer> }> {
  const bitmap = await createImageBitmap(file, { premultiplyAlpha: 'none', colorSpaceConversion: 'none' });
  const { width, height } = bitmap;
  if (width * height > IMAGE_MAX_PIXELS) {
    throw new RangeError(`${width} × ${height} px are too many to show here`);
  }
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
