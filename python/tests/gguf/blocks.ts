/**
 * `node blocks.ts VALUES OUT`: quantizes f32 values with every scheme of `vora export gguf`. OUT/TYPE.blocks are the
 * blocks, OUT/TYPE.f32 what the scheme itself says that they stand for.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rowBytes } from '../../../weights-tools/gguf/ggml-type.ts';
import { SCHEMES } from '../../../weights-tools/gguf/schemes.ts';

const [from = '', out = ''] = process.argv.slice(2);
const values = new Float32Array((await readFile(from)).slice().buffer);
for (const { type, quantize, dequantize } of SCHEMES) {
  const blocks = new Uint8Array(rowBytes(type, values.length) ?? 0);
  quantize(values, blocks);
  const back = new Float32Array(values.length);
  dequantize(blocks, back);
  await writeFile(join(out, `${type}.blocks`), blocks);
  await writeFile(join(out, `${type}.f32`), new Uint8Array(back.buffer));
}
