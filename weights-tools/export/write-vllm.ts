import type { ArtifactFolder } from '../artifact-folder.ts';
import type { Importance } from '../calibrate/importance-file.ts';
import { BadInput } from '../bad-input.ts';
import { INDEX_FILE } from '../checkpoint.ts';
import { encodeInPlace, firstNotHeld } from '../float-blocks.ts';
import type { Progress } from '../progress.ts';
import { shardIndex } from '../safetensors-shards.ts';
import { createTensorWriter, type TensorWriter } from '../tensor-writer.ts';
import { readBlocks } from './row-blocks.ts';
import type { VllmJob, VllmPlan, VllmShard } from './vllm-plan.ts';

/** Writes the planned shards, block of rows by block of rows, through one buffer; the index last, where there are several. */
export async function writeVllm(
  { scheme, shards, bufferFloats }: VllmPlan,
  folder: ArtifactFolder,
  { progress, signal, importance = null }: { progress: Progress; signal: AbortSignal; importance?: Importance | null },
): Promise<void> {
  const buffer = new Float32Array(bufferFloats);
  for (const { file, layout, jobs } of shards) {
    const output = await folder.create(file, layout.byteLength);
    try {
      await output.write(layout.header, 0);
      const writer = createTensorWriter(
        { file, places: layout.tensors, byteLength: layout.byteLength },
        {
          async write(bytes, position) {
            await output.write(bytes, position);
            progress.advance(bytes.byteLength);
          },
        },
      );
      for (const job of jobs) {
        for await (const block of readBlocks(job, buffer, signal)) {
          await writeBlock(writer, job, block, (values) =>
            scheme.encode(values, job.columns, importance?.get(job.from.name)),
          );
        }
        if (job.shapeTensor !== null) {
          const shape = BigInt64Array.of(BigInt(job.rows), BigInt(job.columns));
          await writer.write(job.shapeTensor.name, new Uint8Array(shape.buffer));
        }
      }
      writer.finish();
    } finally {
      await output.close();
    }
  }
  if (shards.length > 1) {
    await folder.write(INDEX_FILE, indexOf(shards));
  }
}

async function writeBlock(
  writer: TensorWriter,
  { from, isQuantized, parts }: VllmJob,
  block: Float32Array,
  encode: (values: Float32Array) => readonly Uint8Array[],
): Promise<void> {
  const encoded = isQuantized ? encode(block) : [toBf16(from.name, block)];
  for (const [index, { name }] of parts.entries()) {
    await writer.write(name, encoded[index] ?? new Uint8Array());
  }
}

/** @throws BadInput for the first value that would become an infinity */
function toBf16(name: string, block: Float32Array): Uint8Array {
  const found = firstNotHeld('BF16', block);
  if (found !== undefined) {
    throw new BadInput(`tensor ${name}: found ${found}, expected what BF16 can hold`);
  }
  return encodeInPlace('BF16', block);
}

function indexOf(shards: readonly VllmShard[]): string {
  const fileOf = new Map<string, string>();
  let bytes = 0;
  for (const { file, layout } of shards) {
    for (const { name, start, end } of layout.tensors.values()) {
      fileOf.set(name, file);
      bytes += end - start;
    }
  }
  return shardIndex(fileOf, bytes);
}
