import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import { beginArtifactFolder } from '../../../weights-tools/artifact-folder.ts';
import { writeGguf } from '../../../weights-tools/export/write-gguf.ts';
import { rowBytes } from '../../../weights-tools/gguf/ggml-type.ts';
import { layoutGguf } from '../../../weights-tools/gguf/layout.ts';
import { Q4_K } from '../../../weights-tools/gguf/q4-k.ts';
import { createQuantizePool } from '../../../weights-tools/gguf/quantize-pool.ts';
import { SCHEMES } from '../../../weights-tools/gguf/schemes.ts';
import { tempFolder } from '../../support/checkpoint-folder.ts';

/** `threadId` of a thread that is no more. */
const ENDED = -1;

describe('threads that quantize', () => {
  it('return the bytes of one thread, for every type and for fewer rows than threads', async () => {
    const pool = createQuantizePool(3);
    try {
      for (const scheme of SCHEMES) {
        for (const rows of [1, 2, 7]) {
          const values = Float32Array.from({ length: rows * 256 }, (_, i) => Math.sin(i * 12.9898) * (1 + (i % 7)));
          const expected = new Uint8Array(rowBytes(scheme.type, values.length) ?? 0);
          scheme.quantize(values, expected);
          const parts = await pool.quantize(scheme.type, values, 256);
          expect(Buffer.concat(parts).equals(expected), `${scheme.type}, ${rows} rows`).toBe(true);
        }
      }
    } finally {
      await pool.close();
    }
  });

  it('end with an export whose file cannot be created', async () => {
    const [rows, columns] = [2, 256];
    const from = { name: 'w', shape: [rows, columns], scratchFloats: () => 0, read: () => Promise.resolve() };
    const plan = {
      file: 'model.gguf',
      layout: layoutGguf(new Map(), [{ name: 'w', type: 'Q4_K', shape: [rows, columns] }]),
      jobs: [{ name: 'w', scheme: Q4_K, from, rows, columns, rowsPerBlock: rows }],
      computed: new Map<string, Float32Array>(),
      bufferFloats: rows * columns,
      encodedBytes: rows * 144,
    };
    const folder = await beginArtifactFolder(join(await tempFolder(), 'gguf'));
    await folder.write('model.gguf', 'something else');
    const threads: Worker[] = [];
    const onWorker = (worker: Worker): void => void threads.push(worker);
    process.on('worker', onWorker);
    onTestFinished(() => void process.off('worker', onWorker));
    const options = { progress: { advance: () => undefined }, signal: new AbortController().signal, threads: 2 };
    await expect(writeGguf(plan, folder, options)).rejects.toThrow(/EEXIST/);
    expect(threads.filter(({ threadId }) => threadId !== ENDED)).toEqual([]);
  });
});
