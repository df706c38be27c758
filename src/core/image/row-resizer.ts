import { bicubicTaps, clipTaps, mirrorTaps } from './bicubic-taps.ts';
import { isFlipped, isMirrored, isTurned, type Orientation, placeUpright } from './orientation.ts';
import type { Canvas } from './pad.ts';
import type { ResizePasses } from './resize-passes.ts';
import type { Rgb } from './rgb.ts';

export interface RowResizer {
  /** Takes the next stored row, from the top. */
  push(row: Uint8Array): void;
  /** The resized, upright image, once every row is in. */
  finish(): Rgb;
}

/** What is resized to what. Sizes are of upright pictures but for `stored`. */
export interface ResizePlan {
  readonly stored: { readonly width: number; readonly height: number };
  readonly orientation: Orientation;
  /** Lays the upright image on black before resizing; the black costs neither time nor memory. */
  readonly canvas: Canvas;
  readonly width: number;
  readonly height: number;
}

/**
 * Bicubic resize of rows as they come, equal to Pillow 13's `Image.resize(…, BICUBIC)` of the whole upright image in every
 * bit.
 *
 * Two passes with 8 bits between them. Pillow 13 takes the height first when it loses more than twice what the width does;
 * earlier Pillow never did, and its bytes differ for such pictures. Rows are turned upright at the end: a picture stored
 * sideways is resized sideways, with the passes in the order that they have upright.
 *
 * Peak memory: the result, and sums for the rows of it that the latest row reaches: 20 bytes for each byte of a row when
 * shrinking.
 */
export function createRowResizer(plan: ResizePlan, passes: ResizePasses): RowResizer {
  const { stored, orientation, canvas } = plan;
  const turned = isTurned(orientation);
  const [uprightWidth, uprightHeight] = turned ? [stored.height, stored.width] : [stored.width, stored.height];
  const columns = clipTaps(bicubicTaps(canvas.width, plan.width), canvas.left, uprightWidth);
  const rows = clipTaps(bicubicTaps(canvas.height, plan.height), canvas.top, uprightHeight);
  const heightLoss = canvas.height - plan.height;
  const heightFirst = heightLoss > 0 && heightLoss > 2 * (canvas.width - plan.width);

  const across = turned ? rows : columns;
  const down = turned ? columns : rows;
  const alongRow = isMirrored(orientation) ? mirrorTaps(across, stored.width) : across;
  const alongColumn = isFlipped(orientation) ? mirrorTaps(down, stored.height) : down;
  const size = { width: alongRow.starts.length, height: alongColumn.starts.length };
  const data = new Uint8Array(size.width * size.height * 3);
  const push = passes({ rowPixels: stored.width, alongRow, alongColumn, columnsFirst: heightFirst !== turned }, data);
  return { push, finish: () => placeUpright({ ...size, data }, orientation) };
}
