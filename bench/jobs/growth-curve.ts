import type { Miniflare } from 'miniflare';
import { collectGarbage } from '../collect-garbage.ts';
import { workerdRssMb } from '../workerd-memory.ts';
import type { FinishedInstances } from './finished-instances.ts';

/** How much workerd's resident memory has grown, in megabytes, after so many jobs. */
export interface Growth {
  readonly jobs: number;
  readonly mb: number;
}

/** What is held of jobs that are over: finished instances are ended and garbage is collected before each look. */
export interface GrowthCurve {
  /** So many jobs are over, and some may have been for long. Looks when there are `every` more than at the last look. */
  note(jobs: number): Promise<void>;
  points(): readonly Growth[];
}

/** Begins at what workerd holds now. */
export async function growthCurve(
  worker: Miniflare,
  { every, finished }: { every: number; finished: readonly FinishedInstances[] },
): Promise<GrowthCurve> {
  const inspector = await worker.getInspectorURL();
  await collectGarbage(inspector);
  const restMb = workerdRssMb();
  const points: Growth[] = [];
  return {
    async note(jobs) {
      if (jobs >= (points.at(-1)?.jobs ?? 0) + every) {
        for (const instances of finished) {
          await instances.end();
        }
        await collectGarbage(inspector);
        points.push({ jobs, mb: workerdRssMb() - restMb });
      }
    },
    points: () => points,
  };
}
