import { setTimeout as sleep } from 'node:timers/promises';
import { collectGarbage } from '../collect-garbage.ts';
import { workerdRssMb } from '../workerd-memory.ts';
import type { JobsLine } from './line.ts';

const POLL_MS = 20;

/** How much workerd's resident memory has grown, in megabytes, when so many jobs were told to the receiver. */
export interface Growth {
  readonly jobs: number;
  readonly mb: number;
}

/** What workerd holds while one call with many pictures runs: garbage is collected before each of so many looks. */
export async function growthCurve(
  { worker, run, told }: Pick<JobsLine, 'worker' | 'run' | 'told'>,
  { points, jobs }: { points: number; jobs: number },
): Promise<readonly Growth[]> {
  const inspector = await worker.getInspectorURL();
  await collectGarbage(inspector);
  const restMb = workerdRssMb();
  const curve: Growth[] = [];
  const whole = run(jobs);
  for (let point = 1; point <= points; point++) {
    while (told() < (jobs / points) * point) {
      await sleep(POLL_MS);
    }
    await collectGarbage(inspector);
    curve.push({ jobs: told(), mb: workerdRssMb() - restMb });
  }
  await whole;
  return curve;
}
