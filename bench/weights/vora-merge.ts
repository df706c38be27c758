import { open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { formatByteSize } from '../../weights-tools/byte-size.ts';
import { createGemm } from '../../weights-tools/merge/gemm.ts';
import { dropCaches } from './drop-caches.ts';
import { measureVora } from './process-tree.ts';
import { type BenchShape, type Scale, vora7b } from './shape.ts';
import { adapted, writeVoraCheckpoint } from './synthetic-model.ts';

const COPY_BLOCK_BYTES = 8 * 1024 * 1024;
/** Results of one product, as merge cuts them. */
const PRODUCT_BYTES = 16 * 1024 * 1024;

/** A merge of VoRA-7B beside the least that it can take: its matrix products, and a copy of its bytes. */
export async function benchVoraMerge(folder: string, scale: Scale): Promise<void> {
  const shape = vora7b(scale);
  const [checkpoint, out] = [join(folder, 'vora'), join(folder, 'merged')];
  await writeVoraCheckpoint(checkpoint, shape);
  await dropCaches();
  const merge = await measureVora(['merge', checkpoint, '--memory', '1GB', '--out', out]);
  const [read, written] = [await folderBytes(checkpoint), await folderBytes(out)];
  await rm(out, { recursive: true });
  await dropCaches();
  const copySeconds = await timeCopy(checkpoint, join(folder, 'copy'), written);
  await rm(checkpoint, { recursive: true });
  const gemmSeconds = await timeProducts(shape);
  const ratio = merge.seconds / (gemmSeconds + copySeconds);
  console.log(
    `${shape.label}: merge of ${formatByteSize(read)} to ${formatByteSize(written)} in ${merge.seconds.toFixed(1)} s, ` +
      `peak ${formatByteSize(merge.peakBytes)}\n` +
      `  its products ${gemmSeconds.toFixed(1)} s + a copy of its bytes ${copySeconds.toFixed(1)} s: ratio ${ratio.toFixed(2)}` +
      ' (asked for: 1.30 at most, peak 1.20 GB at most)',
  );
}

/** W + B·A of every adapted linear in blocks of rows, each on all processors, nothing read or written. */
async function timeProducts({ llm, lora: { rank, layers } }: BenchShape): Promise<number> {
  const gemm = await createGemm();
  let seconds = 0;
  for (const { rows, columns } of adapted(llm, layers)) {
    const count = Math.min(rows, Math.floor(PRODUCT_BYTES / (4 * columns)));
    const a = new Float32Array(rank * columns).fill(0.01);
    const b = new Float32Array(count * rank).fill(0.02);
    const w = new Float32Array(count * columns);
    const out = new Float32Array(count * columns);
    const startMs = performance.now();
    for (let row = 0; row < rows; row += count) {
      const size = Math.min(count, rows - row);
      const block = { w: w.subarray(0, size * columns), b: b.subarray(0, size * rank), a, rows: size, rank, columns };
      await gemm.run(block, out.subarray(0, size * columns));
    }
    seconds += (performance.now() - startMs) / 1000;
  }
  await gemm.release();
  return seconds;
}

/** Reads every byte of a folder, and writes and syncs so many others. */
async function timeCopy(from: string, to: string, writtenBytes: number): Promise<number> {
  const block = new Uint8Array(COPY_BLOCK_BYTES).fill(7);
  const startMs = performance.now();
  for (const name of await readdir(from)) {
    const file = await open(join(from, name), 'r');
    for (let bytes = -1; bytes !== 0;) {
      ({ bytesRead: bytes } = await file.read(block, 0, block.byteLength));
    }
    await file.close();
  }
  const output = await open(to, 'w');
  for (let left = writtenBytes; left > 0; left -= block.byteLength) {
    await output.write(block, 0, Math.min(left, block.byteLength));
  }
  await output.sync();
  await output.close();
  const seconds = (performance.now() - startMs) / 1000;
  await rm(to);
  return seconds;
}

export async function folderBytes(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}
