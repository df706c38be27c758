import type { Taps } from './bicubic-taps.ts';
import { columnSchedule } from './column-schedule.ts';
import type { ResizePasses } from './resize-passes.ts';

/** The exports of wasm/resize-kernel; numbers are byte offsets and counts. */
interface KernelExports {
  resizeRow(row: number, places: number, weights: number, pitch: number, outputs: number, out: number): void;
  addRow(row: number, sums: number, count: number, weight: number): void;
  takeSums(sums: number, out: number, count: number): void;
}

const PAGE_BYTES = 65_536;
/** Pixels that the kernel weights at once. */
const GROUP = 4;
const GROUP_BYTES = 16;
const LOW_BITS = 12;

/**
 * By the vectors of WebAssembly, four times as fast as {@link plainPasses}. Each resize has an instance and a memory of its
 * own: some rows, and 4 bytes for each weight.
 */
export function createSimdPasses(module: WebAssembly.Module): ResizePasses {
  return ({ rowPixels, alongRow, alongColumn, columnsFirst }, out) => {
    const outputs = alongRow.starts.length;
    const outBytes = outputs * 3;
    const rowBytes = rowPixels * 3;
    const sumBytes = columnsFirst ? rowBytes : outBytes;
    const pitch = Math.ceil(alongRow.stride / GROUP) * GROUP_BYTES;
    let byteLength = 0;
    const place = (bytes: number): number => {
      const start = byteLength;
      // A row is read and written by whole vectors, one beyond its end.
      byteLength += Math.ceil(bytes / 16) * 16 + 32;
      return start;
    };
    const { push, slots } = columnSchedule(alongColumn, {
      add(row: number, slot, weight) {
        kernel.addRow(row, at.sums + slot * slotBytes, sumBytes, weight);
      },
      take(slot, y) {
        kernel.takeSums(at.sums + slot * slotBytes, at.taken, sumBytes);
        if (columnsFirst) {
          kernel.resizeRow(at.taken, at.places, at.weights, pitch, outputs, at.narrow);
        }
        const from = columnsFirst ? at.narrow : at.taken;
        out.set(bytes.subarray(from, from + outBytes), y * outBytes);
      },
    });
    const slotBytes = 4 * Math.ceil(sumBytes / 16) * 16;
    const at = {
      row: place(rowBytes),
      places: place(8 * outputs),
      weights: place(pitch * outputs),
      narrow: place(outBytes),
      taken: place(sumBytes),
      sums: place(slotBytes * slots),
    };
    const memory = new WebAssembly.Memory({ initial: Math.ceil(byteLength / PAGE_BYTES) });
    const kernel = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as KernelExports;
    const bytes = new Uint8Array(memory.buffer);
    placeTaps(memory.buffer, alongRow, at, pitch);
    return (row) => {
      bytes.set(row, at.row);
      if (!columnsFirst) {
        kernel.resizeRow(at.row, at.places, at.weights, pitch, outputs, at.narrow);
      }
      push(columnsFirst ? at.row : at.narrow);
    };
  };
}

/** Taps as the kernel takes them. */
function placeTaps(
  memory: ArrayBuffer,
  { starts, counts, weights, stride }: Taps,
  at: { places: number; weights: number },
  pitch: number,
): void {
  const places = new Uint32Array(memory, at.places, 2 * starts.length);
  starts.forEach((start, x) => {
    const count = counts[x] ?? 0;
    places[2 * x] = 3 * start;
    places[2 * x + 1] = Math.ceil(count / GROUP);
    const halves = new Int16Array(memory, at.weights + pitch * x, pitch / 2);
    for (let k = 0; k < count; k++) {
      const weight = weights[x * stride + k] ?? 0;
      // Of two pixels the highs, then their lows.
      const to = (k >> 1) * 4 + (k & 1);
      halves[to] = weight >> LOW_BITS;
      halves[to + 2] = weight & ((1 << LOW_BITS) - 1);
    }
  });
}
