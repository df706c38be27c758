import { startThread } from '../thread.ts';
import { type GgmlTypeName, rowBytes } from './ggml-type.ts';
import type { QuantizePart } from './quantize-worker.ts';

/** Threads that quantize. What they return does not depend on their number: rows know nothing of each other. */
export interface QuantizePool {
  /**
   * The blocks of whole rows of `columns` values, in parts that follow each other; valid until the next call. Copies the
   * values once.
   */
  quantize(type: GgmlTypeName, values: Float32Array, columns: number): Promise<readonly Uint8Array[]>;
  close(): Promise<void>;
}

export function createQuantizePool(count: number): QuantizePool {
  const module = new URL('./quantize-worker.ts', import.meta.url);
  const lanes = Array.from({ length: count }, () => ({
    thread: startThread<QuantizePart, QuantizePart>(module),
    // They travel to the thread and back, since what a thread drops stays in memory until it next collects.
    values: new Float32Array(0),
    blocks: new Uint8Array(0),
  }));
  return {
    quantize(type, values, columns) {
      const perLane = Math.ceil(values.length / columns / count) * columns;
      const busy = lanes.slice(0, Math.ceil(values.length / perLane));
      return Promise.all(
        busy.map(async (lane, i) => {
          const rows = values.subarray(i * perLane, (i + 1) * perLane);
          const blockBytes = rowBytes(type, rows.length) ?? 0;
          const room = {
            values: lane.values.length < rows.length ? new Float32Array(perLane) : lane.values,
            blocks: lane.blocks.length < blockBytes ? new Uint8Array(rowBytes(type, perLane) ?? 0) : lane.blocks,
          };
          room.values.set(rows);
          const part: QuantizePart = { type, length: rows.length, ...room };
          const done = await lane.thread.run(part, { transfer: [part.values.buffer, part.blocks.buffer] });
          Object.assign(lane, { values: done.values, blocks: done.blocks });
          return done.blocks.subarray(0, blockBytes);
        }),
      );
    },
    async close() {
      await Promise.all(lanes.map(({ thread }) => thread.close()));
    },
  };
}
