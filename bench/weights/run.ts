import { mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatByteSize } from '../../weights-tools/byte-size.ts';
import { benchGgufQuantize } from './gguf-quantize.ts';
import { benchPeftMerge } from './peft-merge.ts';
import type { Scale } from './shape.ts';
import { benchVoraMerge } from './vora-merge.ts';

/** Free disk that each needs at full scale: what it reads, what it writes, and some to spare. */
const STEPS = [
  { run: benchPeftMerge, step: 'peft', name: 'merge of a PEFT adapter, 1.5B', diskBytes: 12e9 },
  { run: benchGgufQuantize, step: 'gguf', name: 'Q4_K_M, 1.5B', diskBytes: 10e9 },
  { run: benchVoraMerge, step: 'vora', name: 'merge of VoRA, 7B', diskBytes: 37e9 },
];

/**
 * Synthetic checkpoints at real shapes: what merging and quantizing them takes. $BENCH_FOLDER is where they are written.
 *
 * @param only one of the steps; all unless told
 */
export async function benchWeights(scale: Scale, only?: string): Promise<void> {
  const chosen = STEPS.filter(({ step }) => only === undefined || step === only);
  if (chosen.length === 0) {
    throw new RangeError(`no step ${only}; there are ${STEPS.map(({ step }) => step).join(', ')}`);
  }
  for (const { run, name, diskBytes } of chosen) {
    const folder = await mkdtemp(join(process.env['BENCH_FOLDER'] ?? tmpdir(), 'vora-bench-'));
    try {
      const { bavail, bsize } = await statfs(folder);
      if (scale === 'full' && bavail * bsize < diskBytes) {
        const [needed, free] = [diskBytes, bavail * bsize].map(formatByteSize);
        console.log(
          `${name}: skipped, it needs ${needed} of disk, ${folder} has ${free}; $BENCH_FOLDER may name another`,
        );
      } else {
        await run(folder, scale);
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
}
