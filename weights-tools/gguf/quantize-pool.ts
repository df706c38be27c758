import { startThread } from '../thread.ts';
import type { GgmlTypeName } from './ggml-type.ts';
import type { QuantizePart } from './quantize-worker.ts';

/** Threads that quantize. What they return does not depend on their number: rows know nothing of each other. */
export interface QuantizePool {
  /** The blocks of whole rows of `columns` values, in parts that follow each other. Copies the values once. */
  quantize(type: GgmlTypeName, values: Float32Array, columns: number): Promise<readonly Uint8Array[]>;
  close(): Promise<void>;
}

export function createQuantizePool(count: number): QuantizePool {
  const module = new URL('./quantize-worker.ts', import.meta.url);
  const threads = Array.from({ length: count }, () => startThread<QuantizePart, Uint8Array>(module));
  return {
    quantize(type, values, columns) {
      const rows = values.length / columns;
      const perThread = Math.ceil(rows / count) * columns;
      const busy = threads.slice(0, Math.ceil(values.length / perThread));
      return Promise.all(
        busy.map((thread, i) => {
          const part = values.slice(i * perThread, (i + 1) * perThread);
          return thread.run({ type, values: part }, { transfer: [part.buffer] });
        }),
      );
    },
    async close() {
      await Promise.all(threads.map((thread) => thread.close()));
    },
  };
}
