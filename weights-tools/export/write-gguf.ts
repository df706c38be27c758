import type { ArtifactFolder } from '../artifact-folder.ts';
import { BadInput } from '../bad-input.ts';
import { rowBytes } from '../gguf/ggml-types.ts';
import { magnitudeLimit } from '../gguf/scheme.ts';
import type { Progress } from '../progress.ts';
import { createTensorWriter } from '../tensor-writer.ts';
import type { GgufJob, GgufPlan } from './gguf-plan.ts';
import { readBlocks } from './row-blocks.ts';

/** Writes the header, then the weights, tensor by tensor and block of rows by block of rows, through two buffers. */
export async function writeGguf(
  { file, layout, jobs, computed, bufferFloats, encodedBytes }: GgufPlan,
  folder: ArtifactFolder,
  { progress, signal }: { progress: Progress; signal: AbortSignal },
): Promise<void> {
  const buffer = new Float32Array(bufferFloats);
  const encoded = new Uint8Array(encodedBytes);
  const output = await folder.create(file, layout.byteLength);
  try {
    await output.write(layout.header, 0);
    const writer = createTensorWriter({ ...layout, file }, output);
    for (const [name, { buffer: bytes, byteOffset, byteLength }] of computed) {
      await writer.write(name, new Uint8Array(bytes, byteOffset, byteLength));
    }
    for (const job of jobs) {
      for await (const block of readBlocks(job, buffer, signal)) {
        refuseTooLarge(job, block);
        const rows = block.length / job.columns;
        const bytes = encoded.subarray(0, rows * (rowBytes(job.scheme.type, job.columns) ?? 0));
        job.scheme.quantize(block, bytes);
        await writer.write(job.name, bytes);
        progress.advance(bytes.byteLength, job.name);
      }
    }
    writer.finish();
  } finally {
    await output.close();
  }
}

/** @throws BadInput for the first value that the type turns into an infinity, or could */
function refuseTooLarge({ from, name, scheme }: GgufJob, block: Float32Array): void {
  const limit = magnitudeLimit(scheme.type);
  for (const value of block) {
    if (!(Math.abs(value) < limit)) {
      throw new BadInput(`tensor ${from.name}: found ${value}, expected what ${scheme.type} of ${name} can hold`);
    }
  }
}
