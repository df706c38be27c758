import type { ArtifactFolder } from '../artifact-folder.ts';
import { inOrder } from '../in-order.ts';
import type { Progress } from '../progress.ts';
import type { Watermark } from '../watermark.ts';
import { startLanes } from './merge-lane.ts';
import type { MergeModel } from './merge-model.ts';
import { type MergeReport, reportOf } from './merge-report.ts';
import { followOutput } from './output-progress.ts';
import type { MergePlan } from './plan.ts';

interface RunOptions {
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** Rises with the bytes of tensors that are written, at the end to infinity. */
  readonly written: Watermark;
}

/**
 * Executes a plan: tensor by tensor in the order of the files, on as many threads as it has. What comes out does not depend
 * on their number: each tensor is one thread's from its first row to its last.
 */
export async function runMerge(
  plan: MergePlan,
  model: MergeModel,
  folder: ArtifactFolder,
  { progress, signal, written }: RunOptions,
): Promise<MergeReport> {
  const tasks = plan.files.flatMap((file) => {
    const { path } = file;
    const onBytes = (bytes: number): void => {
      progress.advance(bytes, path);
    };
    const output = followOutput(file, folder, { signal, onBytes });
    return file.jobs.map(({ name }, index) => ({ path, name, index, output }));
  });
  const lanes = startLanes(model, plan, folder.path);
  let bytesWritten = 0;
  try {
    const tensors = await inOrder(lanes, tasks, async (lane, { path, name, index, output }) => {
      signal.throwIfAborted();
      await output.make();
      const onBlock = (bytes: number): void => {
        output.advance(index, bytes);
        bytesWritten += bytes;
        written.raise(bytesWritten);
        progress.advance(bytes, name);
      };
      return lane.run({ path, name }, { signal, onBlock });
    });
    written.raise(Number.POSITIVE_INFINITY);
    const merged = tensors.filter((tensor) => tensor !== null);
    return reportOf(plan.options.weights, merged);
  } finally {
    await Promise.all(lanes.map((lane) => lane.close()));
  }
}
