import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { GgmlTypeName } from './ggml-type.ts';
import type { QuantizePart } from './quantize-worker.ts';

/** Threads that quantize. What they return does not depend on their number: rows know nothing of each other. */
export interface QuantizePool {
  /** The blocks of whole rows of `columns` values, in parts that follow each other. Copies the values once. */
  quantize(type: GgmlTypeName, values: Float32Array, columns: number): Promise<readonly Uint8Array[]>;
  close(): Promise<void>;
}

export function createQuantizePool(threads: number): QuantizePool {
  const workers = Array.from({ length: threads }, () => new Worker(new URL('./quantize-worker.ts', import.meta.url)));
  return {
    quantize(type, values, columns) {
      const rows = values.length / columns;
      const perWorker = Math.ceil(rows / threads) * columns;
      const busy = workers.slice(0, Math.ceil(values.length / perWorker));
      return Promise.all(
        busy.map((worker, i) => run(worker, { type, values: values.slice(i * perWorker, (i + 1) * perWorker) })),
      );
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

async function run(worker: Worker, part: QuantizePart): Promise<Uint8Array> {
  worker.postMessage(part, [part.values.buffer]);
  const [blocks] = (await once(worker, 'message')) as [Uint8Array];
  return blocks;
}
