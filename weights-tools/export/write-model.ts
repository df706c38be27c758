import type { ArtifactFolder } from '../artifact-folder.ts';
import { readFloats, refuseNonFinite } from '../float-blocks.ts';
import { createExternalDataWriter, type ExternalDataWriter } from '../onnx/external-data.ts';
import { codesOf, scalesOf } from '../onnx/stored-weight.ts';
import type { Progress } from '../progress.ts';
import { quantizeInt4 } from '../quantize/int4.ts';
import { quantizeInt8 } from '../quantize/int8.ts';
import type { PlannedModel, WeightJob } from './onnx-plan.ts';

/**
 * Writes one planned model: its `.onnx` file, then its weights, tensor by tensor and block of rows by block of rows, through
 * `buffer`, which holds the largest block of the plan.
 */
export async function writeModel(
  { file, graph, layout, jobs, computed }: PlannedModel,
  folder: ArtifactFolder,
  buffer: Float32Array,
  { progress, signal }: { progress: Progress; signal: AbortSignal },
): Promise<void> {
  await folder.write(file, graph.encode(layout));
  const output = await folder.create(layout.file, layout.byteLength);
  try {
    const writer = createExternalDataWriter(layout, {
      async write(bytes, position) {
        await output.write(bytes, position);
        progress.advance(bytes.byteLength);
      },
    });
    for (const [name, values] of computed) {
      await writer.write(name, bytesOf(values));
    }
    for (const job of jobs) {
      for (let row = 0; row < job.rows; row += job.rowsPerBlock) {
        signal.throwIfAborted();
        const count = Math.min(job.rowsPerBlock, job.rows - row);
        const block = buffer.subarray(0, count * job.columns);
        await readFloats(job.from, row * job.columns, block);
        await writeBlock(writer, job, block);
      }
    }
    writer.finish();
  } finally {
    await output.close();
  }
}

async function writeBlock(writer: ExternalDataWriter, job: WeightJob, block: Float32Array): Promise<void> {
  refuseNonFinite(job.from, 'F32', block);
  if (job.encoding === 'f32') {
    await writer.write(job.name, bytesOf(block));
  } else {
    const { bits, groupSize } = job.encoding;
    const { codes, scales } = (bits === 4 ? quantizeInt4 : quantizeInt8)(block, job.columns, groupSize);
    await writer.write(codesOf(job.name), codes);
    await writer.write(scalesOf(job.name), bytesOf(scales));
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
