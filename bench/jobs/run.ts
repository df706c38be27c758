import { workerdRssMb } from '../workerd-memory.ts';
import { growthOfEmptyWorkflows } from './empty-workflows.ts';
import { type Growth, growthCurve } from './growth-curve.ts';
import { type JobsLine, openJobsLine } from './line.ts';

/** Points of a curve. */
const POINTS = 10;

/**
 * One call with many pictures: how fast it is answered. Then as many in ten calls, in a worker of its own: what is held of
 * jobs that are over, beside Workflow instances that do nothing.
 */
export async function benchJobs({ images, only }: { images: number; only?: string | undefined }): Promise<void> {
  if (only !== 'memory') {
    await withLine((line) => timeBatch(line, images));
  }
  if (only !== 'throughput') {
    const size = { points: POINTS, jobs: images };
    const ours = await withLine((line) => growthCurve(line.worker, size, (jobs) => line.run(jobs)));
    const empty = await growthOfEmptyWorkflows(size);
    console.log("workerd's growth in MB after so many jobs, finished instances ended and garbage collected:");
    console.log(writeGrowth(ours));
    console.log('over as many Workflow instances and steps that do nothing:');
    console.log(writeGrowth(empty));
  }
}

async function withLine<Result>(run: (line: JobsLine) => Promise<Result>): Promise<Result> {
  const line = await openJobsLine();
  try {
    return await run(line);
  } finally {
    await line.stop();
  }
}

async function timeBatch(line: JobsLine, images: number): Promise<void> {
  const restMb = workerdRssMb();
  const startMs = performance.now();
  await line.run(images);
  const seconds = (performance.now() - startMs) / 1000;
  const { failed, wrong, twice } = await line.outcome();
  console.log(
    `${images} pictures in one call: all told to the receiver after ${seconds.toFixed(1)} s, ` +
      `${(images / seconds).toFixed(1)} a second; ${failed} failed, ${wrong} read wrongly, ${twice} told twice; ` +
      `workerd, MB: ${restMb} before, ${workerdRssMb()} at the end, its finished instances and garbage included`,
  );
}

function writeGrowth(points: readonly Growth[]): string {
  return points.map(({ jobs, mb }) => `${jobs}: ${mb}`).join(', ');
}
