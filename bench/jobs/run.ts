import { workerdRssMb } from '../workerd-memory.ts';
import { growthCurve } from './growth-curve.ts';
import { type JobsLine, openJobsLine } from './line.ts';

/** Points of a curve. */
const POINTS = 10;

/** One call with many pictures: how fast it is answered; then, in a worker of its own, what is held while it runs. */
export async function benchJobs({ images, only }: { images: number; only?: string | undefined }): Promise<void> {
  if (only !== 'memory') {
    await withLine((line) => timeBatch(line, images));
  }
  if (only !== 'throughput') {
    await withLine((line) => watchMemory(line, images));
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
      `workerd, MB: ${restMb} before, ${workerdRssMb()} at the end, garbage included`,
  );
}

async function watchMemory(line: JobsLine, images: number): Promise<void> {
  const curve = await growthCurve(line, { points: POINTS, jobs: images });
  const { failed, wrong, twice } = await line.outcome();
  console.log(
    `${images} pictures in one call: ${failed} failed, ${wrong} read wrongly, ${twice} told twice; workerd's growth in MB ` +
      `after so many, garbage collected: ${curve.map(({ jobs, mb }) => `${jobs}: ${mb}`).join(', ')}`,
  );
}
