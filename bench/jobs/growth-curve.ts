import { setTimeout as sleep } from 'node:timers/promises';
import type { Miniflare } from 'miniflare';
import { collectGarbage } from '../collect-garbage.ts';
import { workerdRssMb } from '../workerd-memory.ts';
import { endInstances, type Workflow } from './end-instances.ts';

/** An instance whose work is done has a state to write yet; generously. */
const SETTLE_MS = 5000;

/** How much workerd's resident memory has grown, in megabytes, after so many jobs. */
export interface Growth {
  readonly jobs: number;
  readonly mb: number;
}

/** Ids of the Workflow instances of jobs that are over. */
export interface Finished {
  readonly jobs: readonly string[];
  readonly deliveries: readonly string[];
}

/**
 * What workerd holds of jobs that are over: before each look their instances are ended and garbage is collected.
 *
 * @param runJobs runs so many jobs to their end.
 */
export async function growthCurve(
  worker: Miniflare,
  { points, jobs }: { points: number; jobs: number },
  runJobs: (jobs: number) => Promise<Finished>,
): Promise<readonly Growth[]> {
  const { JOBS, DELIVERIES } = await worker.getBindings<{ JOBS: Workflow; DELIVERIES: Workflow }>();
  const inspector = await worker.getInspectorURL();
  await collectGarbage(inspector);
  const restMb = workerdRssMb();
  const curve: Growth[] = [];
  for (let point = 1; point <= points; point++) {
    const finished = await runJobs(jobs / points);
    await sleep(SETTLE_MS);
    await endInstances(JOBS, finished.jobs);
    await endInstances(DELIVERIES, finished.deliveries);
    await collectGarbage(inspector);
    curve.push({ jobs: (jobs / points) * point, mb: workerdRssMb() - restMb });
  }
  return curve;
}
