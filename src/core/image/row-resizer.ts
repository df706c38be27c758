import { bicubicTaps, clipTaps, mirrorTaps, PRECISION_BITS, type Taps } from './bicubic-taps.ts';
import { isFlipped, isMirrored, isTurned, type Orientation, placeUpright } from './orientation.ts';
import type { Canvas } from './pad.ts';
import type { Rgb } from './rgb.ts';

const HALF = 1 << (PRECISION_BITS - 1);

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
export function createRowResizer(plan: ResizePlan): RowResizer {
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
  const rowBytes = size.width * 3;
  const outRow = (y: number): Uint8Array => data.subarray(y * rowBytes, (y + 1) * rowBytes);

  const finish = (): Rgb => placeUpright({ ...size, data }, orientation);
  if (heightFirst !== turned) {
    const sums = createColumnSums(alongColumn, stored.width * 3, (y, row) => resizeRow(row, alongRow, outRow(y)));
    return { push: (row) => sums.push(row), finish };
  }
  const narrow = new Uint8Array(rowBytes);
  const sums = createColumnSums(alongColumn, rowBytes, (y, row) => outRow(y).set(row));
  return {
    push(row) {
      resizeRow(row, alongRow, narrow);
      sums.push(narrow);
    },
    finish,
  };
}

/*
 * The sums below stay in int32: the magnitudes of one pixel's weights add up to at most 1.27 · 2^22 (over all sizes up to
 * 400), and 255 · 2^22 · 2 is where int32 ends. `| 0` and `imul` tell the engine, which then stays out of float64.
 */

function resizeRow(source: Uint8Array, taps: Taps, out: Uint8Array): void {
  const { starts, counts, weights, stride } = taps;
  let to = 0;
  for (let x = 0; x < starts.length; x++) {
    const first = x * stride;
    const end = first + (counts[x] ?? 0);
    let from = (starts[x] ?? 0) * 3;
    let red = HALF;
    let green = HALF;
    let blue = HALF;
    for (let k = first; k < end; k++) {
      const weight = weights[k] ?? 0;
      red = (red + Math.imul(source[from] ?? 0, weight)) | 0;
      green = (green + Math.imul(source[from + 1] ?? 0, weight)) | 0;
      blue = (blue + Math.imul(source[from + 2] ?? 0, weight)) | 0;
      from += 3;
    }
    out[to] = toByte(red);
    out[to + 1] = toByte(green);
    out[to + 2] = toByte(blue);
    to += 3;
  }
}

/**
 * Adds each row to the output rows that it reaches, and gives those out that no later row reaches. Whole numbers: the order
 * of adding changes nothing. Output rows that reach no row at all are left black.
 */
function createColumnSums(taps: Taps, rowBytes: number, give: (y: number, row: Uint8Array) => void) {
  const { starts, counts, weights, stride } = taps;
  const active = new Map<number, Int32Array>();
  const spare: Int32Array[] = [];
  const result = new Uint8Array(rowBytes);
  let sourceRow = 0;
  /** Starts and ends never fall from one output row to the next. */
  let first = 0;

  function add(y: number, row: Uint8Array): void {
    let sums = active.get(y);
    if (sums === undefined) {
      sums = (spare.pop() ?? new Int32Array(rowBytes)).fill(HALF);
      active.set(y, sums);
    }
    const weight = weights[y * stride + sourceRow - (starts[y] ?? 0)] ?? 0;
    for (let x = 0; x < rowBytes; x++) {
      sums[x] = ((sums[x] ?? 0) + Math.imul(row[x] ?? 0, weight)) | 0;
    }
  }

  function complete(y: number): void {
    const sums = active.get(y);
    if (sums !== undefined) {
      for (let x = 0; x < rowBytes; x++) {
        result[x] = toByte(sums[x] ?? 0);
      }
      give(y, result);
      active.delete(y);
      spare.push(sums);
    }
  }

  return {
    push(row: Uint8Array): void {
      for (let y = first; y < starts.length && (starts[y] ?? 0) <= sourceRow; y++) {
        const end = (starts[y] ?? 0) + (counts[y] ?? 0);
        if (sourceRow < end) {
          add(y, row);
        }
        if (sourceRow + 1 >= end) {
          complete(y);
          first = y === first ? y + 1 : first;
        }
      }
      sourceRow += 1;
    },
  };
}

function toByte(sum: number): number {
  const value = sum >> PRECISION_BITS;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}
