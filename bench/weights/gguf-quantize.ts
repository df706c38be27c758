import { readdir, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { LlmFacts } from '../../src/core/model/manifest.ts';
import { GGUF_FORMATS } from '../../weights-tools/gguf/type-mix.ts';
import { compareWeights } from '../../weights-tools/verify/compare-weights.ts';
import { openGgufWeights } from '../../weights-tools/verify/gguf-weights.ts';
import { dropCaches } from './drop-caches.ts';
import { describe } from './peft-merge.ts';
import { measure, measureVora } from './process-tree.ts';
import { findPython } from './python.ts';
import { peft1b5, type Scale } from './shape.ts';
import { writePlainModel } from './synthetic-model.ts';

/** Q4_K_M by us and by llama.cpp's quantizer, from the same bf16 weights: time, memory, and what is lost. */
export async function benchGgufQuantize(folder: string, scale: Scale): Promise<void> {
  const { llm, label } = peft1b5(scale);
  const python = await findPython(['gguf', 'numpy']);
  const [base, exact, quantized] = [join(folder, 'base'), join(folder, 'bf16'), join(folder, 'q4_k_m')];
  await writePlainModel(base, { llm, label, lora: { rank: 1, layers: 0 } });
  await measureVora(['export', 'gguf', base, '--type', 'bf16', '--out', exact]);
  await dropCaches();
  const ours = await measureVora(['export', 'gguf', base, '--type', 'q4_k_m', '--out', quantized]);
  const reference = await onlyGguf(exact);
  const ourError = await relativeError(reference, await onlyGguf(quantized), llm);
  console.log(`${label} to Q4_K_M: ours ${describe(ours)}, relative error ${ourError.toFixed(5)}`);
  if (python !== null) {
    const theirFile = join(folder, 'theirs.gguf');
    const threads = String(availableParallelism());
    await dropCaches();
    const script = join(import.meta.dirname, 'llama_quantize.py');
    const theirs = await measure(python, [script, reference, theirFile, String(GGUF_FORMATS.q4_k_m), threads]);
    const theirError = await relativeError(reference, theirFile, llm);
    const [time, memory] = [ours.seconds / theirs.seconds, ours.peakBytes / theirs.peakBytes];
    console.log(
      `  llama.cpp's on ${threads} threads ${describe(theirs)}, relative error ${theirError.toFixed(5)}: ` +
        `time ratio ${time.toFixed(2)}, memory ratio ${memory.toFixed(2)}, error ratio ${(ourError / theirError).toFixed(4)}`,
    );
    await rm(theirFile);
  }
  await Promise.all([base, exact, quantized].map((path) => rm(path, { recursive: true })));
}

async function onlyGguf(folder: string): Promise<string> {
  const [file = ''] = (await readdir(folder)).filter((name) => name.endsWith('.gguf'));
  return join(folder, file);
}

/** √(Σ(a − b)² / Σa²) over all weights. */
async function relativeError(referencePath: string, path: string, llm: LlmFacts): Promise<number> {
  const reference = await openGgufWeights(referencePath, llm);
  const found = await openGgufWeights(path, llm);
  const options = { memoryBytes: 1e9, progress: { advance: () => undefined }, signal: new AbortController().signal };
  const { tensors } = await compareWeights(reference.weights, found.weights, options);
  await Promise.all([reference.close(), found.close()]);
  let [squares, errors] = [0, 0];
  for (const { shape, rms, relativeError: error } of tensors) {
    const square = rms * rms * shape.reduce((product, size) => product * size, 1);
    squares += square;
    errors += error * error * square;
  }
  return Math.sqrt(errors / squares);
}
