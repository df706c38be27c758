import { join } from 'node:path';
import { reopenOutputFile } from '../output-file.ts';
import { startThread } from '../thread.ts';
import type { MergeModel } from './merge-model.ts';
import type { MergedTensor } from './merge-report.ts';
import type { MergeRequest } from './merge-request.ts';
import { mergeTensor } from './merge-tensor.ts';
import type { MergePlan, PlanOptions } from './plan.ts';

/** One tensor of the plan: output file, relative to the folder, and name. */
export interface MergeTask {
  readonly path: string;
  readonly name: string;
}

export interface LaneContext {
  readonly signal: AbortSignal;
  /** Hears of each block's bytes when they are written. */
  readonly onBlock: (bytes: number) => void;
}

/** Makes one tensor after another, each into its file, which must stand in the folder. */
export interface MergeLane {
  /** What was added to the tensor and lost; null where nothing of low rank is. */
  run(task: MergeTask, context: LaneContext): Promise<MergedTensor | null>;
  close(): Promise<void>;
}

/** What a thread needs to open the same merge and to make the same plan. */
export interface LaneSetup {
  readonly request: MergeRequest;
  readonly options: PlanOptions;
  readonly folder: string;
}

/** A lane on this thread, with one buffer that is allocated once. */
export function openLane(plan: MergePlan, folder: string, bufferBytes: number): MergeLane {
  const buffer = new ArrayBuffer(Math.ceil(bufferBytes / 4) * 4);
  return {
    async run({ path, name }, context) {
      const job = plan.files.find((file) => file.path === path)?.jobs.find((one) => one.name === name);
      if (job === undefined) {
        throw new Error(`${path}: tensor ${name} is not in the plan`);
      }
      const output = await reopenOutputFile(join(folder, path));
      try {
        return await mergeTensor(job, output, { ...context, buffer });
      } finally {
        await output.close();
      }
    },
    close: () => Promise.resolve(),
  };
}

/** As many lanes to compute as the plan has threads; a single one is on this thread. */
export function startLanes(model: MergeModel, plan: MergePlan, folder: string): MergeLane[] {
  const { request } = model;
  const { options } = plan;
  return options.threads === 1
    ? [openLane(plan, folder, plan.bufferBytes)]
    : Array.from({ length: options.threads }, () => threadLane({ request, options, folder }));
}

function threadLane(setup: LaneSetup): MergeLane {
  const thread = startThread<MergeTask, MergedTensor | null, number>(
    new URL('./merge-thread.ts', import.meta.url),
    setup,
  );
  return {
    run: (task, { signal, onBlock }) => thread.run(task, { signal, onNote: onBlock }),
    close: () => thread.close(),
  };
}
