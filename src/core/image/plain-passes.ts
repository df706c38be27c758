import { PRECISION_BITS, type Taps } from './bicubic-taps.ts';
import { columnSchedule } from './column-schedule.ts';
import type { ResizePasses } from './resize-passes.ts';

const HALF = 1 << (PRECISION_BITS - 1);

/** In JavaScript, for where no WebAssembly is at hand. `| 0` and `imul` keep the engine out of float64. */
export const plainPasses: ResizePasses = ({ rowPixels, alongRow, alongColumn, columnsFirst }, out) => {
  const outBytes = alongRow.starts.length * 3;
  const outRow = (y: number): Uint8Array => out.subarray(y * outBytes, (y + 1) * outBytes);
  const sumBytes = columnsFirst ? rowPixels * 3 : outBytes;
  const { push, slots } = columnSchedule(alongColumn, {
    add(row: Uint8Array, slot, weight) {
      addRow(row, sums[slot] ?? new Int32Array(0), weight);
    },
    take(slot, y) {
      const between = columnsFirst ? whole : outRow(y);
      takeSums(sums[slot] ?? new Int32Array(0), between);
      if (columnsFirst) {
        resizeRow(whole, alongRow, outRow(y));
      }
    },
  });
  const sums = Array.from({ length: slots }, () => new Int32Array(sumBytes));
  const whole = new Uint8Array(sumBytes);
  if (columnsFirst) {
    return push;
  }
  return (row) => {
    resizeRow(row, alongRow, whole);
    push(whole);
  };
};

function resizeRow(source: Uint8Array, { starts, counts, weights, stride }: Taps, out: Uint8Array): void {
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

function addRow(row: Uint8Array, sums: Int32Array, weight: number): void {
  for (let x = 0; x < sums.length; x++) {
    sums[x] = ((sums[x] ?? 0) + Math.imul(row[x] ?? 0, weight)) | 0;
  }
}

function takeSums(sums: Int32Array, out: Uint8Array): void {
  for (let x = 0; x < sums.length; x++) {
    out[x] = toByte(((sums[x] ?? 0) + HALF) | 0);
  }
  sums.fill(0);
}

function toByte(sum: number): number {
  const value = sum >> PRECISION_BITS;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}
