import { setTimeout as sleep } from 'node:timers/promises';
import { growthOfEmptyWorkflows } from './empty-workflows.ts';
import { finishedInstances, type Workflow } from './finished-instances.ts';
import { type Growth, growthCurve } from './growth-curve.ts';
import { type JobsLine, openJobsLine } from './line.ts';

const SAMPLE_MS = 1000;
/** Points of a curve. */
const POINTS = 10;

/**
 * One call with many pictures: how fast it is answered; then, in a worker of its own, what is held of jobs that are over,
 * beside Workflow instances that do nothing.
 */
export async function benchJobs({ images, only }: { images: number; only?: string | undefined }): Promise<void> {
  if (only !== 'memory') {
    await withLine((line) => runBatch(line, images, async () => undefined));
  }
  if (only !== 'throughput') {
    const every = images / POINTS;
    const ours = await withLine((line) => growthOfBatch(line, { images, every }));
    const empty = await growthOfEmptyWorkflows({ jobs: images, every });
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

async function growthOfBatch(
  line: JobsLine,
  { images, every }: { images: number; every: number },
): Promise<readonly Growth[]> {
  const bindings = await line.worker.getBindings<{ JOBS: Workflow; DELIVERIES: Workflow }>();
  const [jobs, deliveries] = [finishedInstances(bindings.JOBS), finishedInstances(bindings.DELIVERIES)];
  const curve = await growthCurve(line.worker, { every, finished: [jobs, deliveries] });
  const known = new Set<string>();
  await runBatch(line, images, async () => {
    for (const [id, { message }] of line.heard) {
      if (!known.has(id)) {
        known.add(id);
        jobs.add(id);
        deliveries.add(`${message}-1`);
      }
    }
    await curve.note(known.size);
  });
  return curve.points();
}

function writeGrowth(points: readonly Growth[]): string {
  return points.map(({ jobs, mb }) => `${jobs}: ${mb}`).join(', ');
}

/** @param meanwhile done about once a second. */
async function runBatch(line: JobsLine, images: number, meanwhile: () => Promise<void>): Promise<void> {
  const startMs = performance.now();
  await line.submit(images);
  const takenSeconds = (performance.now() - startMs) / 1000;
  let jobs = await line.everyJob();
  const isOver = () => jobs.length === images && jobs.every(({ status }) => !['queued', 'running'].includes(status));
  while (!isOver() || line.heard.size < jobs.filter(({ status }) => status === 'succeeded').length) {
    await sleep(SAMPLE_MS);
    await meanwhile();
    jobs = await line.everyJob();
  }
  const seconds = (performance.now() - startMs) / 1000;
  await meanwhile();
  const wrong = jobs.filter(({ id, ref }) => line.heard.get(id)?.text !== line.expected(ref)).length;
  const failed = jobs.filter(({ status }) => status !== 'succeeded').length;
  const twice = [...line.heard.values()].filter(({ times }) => times > 1).length;
  console.log(
    `${images} pictures in one call: taken in after ${takenSeconds.toFixed(1)} s, all told to the receiver after ${seconds.toFixed(1)} s, ` +
      `${(images / seconds).toFixed(1)} a second; ${failed} failed, ${wrong} read wrongly, ${twice} told twice`,
  );
}
