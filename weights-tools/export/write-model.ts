import type { ArtifactFolder } from '../artifact-folder.ts';
import type { Importance } from '../calibrate/importance-file.ts';
import { codesOf, scalesOf, zerosOf } from '../onnx/stored-weight.ts';
import type { Progress } from '../progress.ts';
import { quantizeMatMulNBits } from '../quantize/matmul-nbits.ts';
import { createTensorWriter, type TensorWriter } from '../tensor-writer.ts';
import type { OnnxPlan, PlannedData, WeightJob } from './onnx-plan.ts';
import { readBlocks } from './row-blocks.ts';

interface WriteOptions {
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** What the error in each column of a weight counts for, where a calibration says so. */
  readonly importance?: Importance | null;
}

/** Writes the planned graphs, then their weights, tensor by tensor and block of rows by block of rows, through one buffer. */
export async function writeModel(
  { graphs, dataFiles, bufferFloats }: OnnxPlan,
  folder: ArtifactFolder,
  options: WriteOptions,
): Promise<void> {
  for (const { file, graph, layout } of graphs) {
    await folder.write(file, graph.encode(layout));
  }
  const buffer = new Float32Array(bufferFloats);
  for (const data of dataFiles) {
    await writeData(data, folder, buffer, options);
  }
}

async function writeData(
  { layout, jobs }: PlannedData,
  folder: ArtifactFolder,
  buffer: Float32Array,
  { progress, signal, importance }: WriteOptions,
): Promise<void> {
  const output = await folder.create(layout.file, layout.byteLength);
  try {
    const writer = createTensorWriter(layout, {
      async write(bytes, position) {
        await output.write(bytes, position);
        progress.advance(bytes.byteLength);
      },
    });
    for (const job of jobs) {
      for await (const block of readBlocks(job, buffer, signal)) {
        await writeBlock(writer, job, block, importance?.get(job.name));
      }
    }
    writer.finish();
  } finally {
    await output.close();
  }
}

async function writeBlock(
  writer: TensorWriter,
  job: WeightJob,
  block: Float32Array,
  importance: Float32Array | undefined,
): Promise<void> {
  if (job.encoding === 'f32') {
    await writer.write(job.name, bytesOf(block));
    return;
  }
  const { codes, scales, zeros } = quantizeMatMulNBits(block, job.columns, job.encoding, importance);
  await writer.write(codesOf(job.name), codes);
  await writer.write(scalesOf(job.name), bytesOf(scales));
  if (zeros !== null) {
    await writer.write(zerosOf(job.name), zeros);
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
