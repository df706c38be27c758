import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { formatByteSize } from '../../weights-tools/byte-size.ts';
import { dropCaches } from './drop-caches.ts';
import { type Cost, measure, measureVora } from './process-tree.ts';
import { findPython } from './python.ts';
import { peft1b5, type Scale } from './shape.ts';
import { writePeftAdapter, writePlainModel } from './synthetic-model.ts';

/** Our merge of a PEFT adapter beside PEFT's own `merge_and_unload` and `save_pretrained`, whole processes. */
export async function benchPeftMerge(folder: string, scale: Scale): Promise<void> {
  const shape = peft1b5(scale);
  const python = await findPython(['torch', 'transformers', 'peft']);
  const [base, adapter, out] = [join(folder, 'base'), join(folder, 'adapter'), join(folder, 'merged')];
  await writePlainModel(base, shape);
  await writePeftAdapter(adapter, shape, base);
  await dropCaches();
  const ours = await measureVora(['merge', '--base', base, '--adapter', adapter, '--out', out]);
  console.log(`${shape.label}: our merge ${describe(ours)}`);
  await rm(out, { recursive: true });
  if (python !== null) {
    await dropCaches();
    const theirs = await measure(python, [join(import.meta.dirname, 'peft_merge.py'), base, adapter, out]);
    const [time, memory] = [ours.seconds / theirs.seconds, ours.peakBytes / theirs.peakBytes];
    console.log(
      `  PEFT's ${describe(theirs)}: time ratio ${time.toFixed(2)}, memory ratio ${memory.toFixed(2)}` +
        ' (asked for: 0.50 and 0.25 at most)',
    );
    await rm(out, { recursive: true });
  }
  await Promise.all([base, adapter].map((path) => rm(path, { recursive: true })));
}

export function describe({ seconds, peakBytes }: Cost): string {
  return `${seconds.toFixed(1)} s, peak ${formatByteSize(peakBytes)}`;
}
