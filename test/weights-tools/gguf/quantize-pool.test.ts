import { describe, expect, it } from 'vitest';
import { rowBytes } from '../../../weights-tools/gguf/ggml-type.ts';
import { createQuantizePool } from '../../../weights-tools/gguf/quantize-pool.ts';
import { SCHEMES } from '../../../weights-tools/gguf/schemes.ts';

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
});
