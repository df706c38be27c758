import type { ArtifactFolder } from '../artifact-folder.ts';
import { inOrder } from '../in-order.ts';
import type { Progress } from '../progress.ts';
import { together } from '../together.ts';
import type { Watermark } from '../watermark.ts';
import { type MergeLane, openLane, startLanes } from './merge-lane.ts';
import type { MergeModel } from './merge-model.ts';
import { type MergedTensor, type MergeReport, reportOf } from './merge-report.ts';
import { followOutput } from './output-progress.ts';
import type { MergePlan } from './plan.ts';

interface RunOptions {
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** Rises with the bytes of tensors that are written, at the end to infinity. */
  readonly written: Watermark;
}

/**
 * Executes a plan: tensor by tensor in the order of the files, on as many threads as it has; beside them, on this one, what is
 * only copied and waits for the disk, not for a processor. What comes out does not depend on the number of threads: each
 * tensor is one thread's from its first row to its last.
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
    return file.jobs.map(({ name, action }, index) => ({ path, name, action, index, output }));
  });
  let bytesWritten = 0;

  function runAll(
    lanes: readonly MergeLane[],
    some: typeof tasks,
    either: AbortSignal,
  ): Promise<(MergedTensor | null)[]> {
    return inOrder(lanes, some, async (lane, { path, name, index, output }) => {
      either.throwIfAborted();
      await output.make();
      const onBlock = (bytes: number): void => {
        output.advance(index, bytes);
        bytesWritten += bytes;
        written.raise(bytesWritten);
        progress.advance(bytes, name);
      };
      return lane.run({ path, name }, { signal: either, onBlock });
    });
  }

  const copies = tasks.filter(({ action }) => action === 'copy');
  const computed = tasks.filter(({ action }) => action !== 'copy');
  const copyLane = openLane(plan, folder.path, plan.copyBytes);
  const lanes = computed.length === 0 ? [] : startLanes(model, plan, folder.path);
  try {
    const [tensors] = await together(signal, (either) => [
      runAll(lanes, computed, either),
      runAll([copyLane], copies, either),
    ]);
    written.raise(Number.POSITIVE_INFINITY);
    const merged = tensors.filter((tensor) => tensor !== null);
    return reportOf(plan.options.weights, merged);
  } finally {
    await Promise.all(lanes.map((lane) => lane.close()));
  }
}
