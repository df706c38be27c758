import { workerData } from 'node:worker_threads';
import { answerTasks, type TaskContext } from '../thread.ts';
import { type LaneSetup, type MergeLane, type MergeTask, openLane } from './merge-lane.ts';
import { openMergeModel } from './merge-model.ts';
import { planMerge } from './plan.ts';

/** A lane on a thread of its own: readers of weights are no data, so it opens the merge itself. */
async function open({ request, options, folder }: LaneSetup): Promise<MergeLane> {
  const plan = planMerge(await openMergeModel(request, 1), options);
  return openLane(plan, folder, plan.bufferBytes);
}

let opened: Promise<MergeLane> | null = null;

answerTasks(async (task: MergeTask, { signal, note }: TaskContext<number>) => {
  const lane = await (opened ??= open(workerData as LaneSetup));
  return lane.run(task, { signal, onBlock: note });
});
