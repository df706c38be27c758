import { setTimeout as sleep } from 'node:timers/promises';
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';
import { finishedInstances, REST_MS, type Workflow } from './finished-instances.ts';
import { type Growth, growthCurve } from './growth-curve.ts';

const POLL_MS = 100;

/** As a job and its delivery: an instance of three steps, and one of one step. Nothing is in them. */
const WORKER = `
import { WorkflowEntrypoint } from 'cloudflare:workers';
let ended = 0;
async function run(step, steps) {
  for (const name of steps) await step.do(name, async () => null);
  ended++;
}
export class Jobs extends WorkflowEntrypoint { run(_, step) { return run(step, ['take in image', 'ask the model', 'end']); } }
export class Deliveries extends WorkflowEntrypoint { run(_, step) { return run(step, ['attempt 1']); } }
export default {
  async fetch(request, { JOBS, DELIVERIES }) {
    if (request.method === 'POST') {
      const instances = (await request.json()).map((id) => ({ id }));
      await Promise.all([JOBS.createBatch(instances), DELIVERIES.createBatch(instances)]);
    }
    return new Response(String(ended));
  },
};
`;

/** The control of a batch of jobs: what as many Workflow instances take where none of our code runs, ended likewise. */
export async function growthOfEmptyWorkflows({
  jobs,
  every,
}: {
  jobs: number;
  every: number;
}): Promise<readonly Growth[]> {
  const worker = new Miniflare(
    convertV4MiniflareOptions({
      inspectorPort: 0,
      workers: [
        {
          name: 'empty',
          compatibilityDate: '2026-11-09',
          modules: [{ type: 'ESModule', path: 'index.js', contents: WORKER }],
          workflows: {
            JOBS: { name: 'jobs', className: 'Jobs' },
            DELIVERIES: { name: 'deliveries', className: 'Deliveries' },
          },
        },
      ],
    }),
  );
  try {
    const url = (await worker.ready).href;
    const ended = async () => Number(await (await fetch(url)).text());
    await ended();
    const bindings = await worker.getBindings<{ JOBS: Workflow; DELIVERIES: Workflow }>();
    const finished = [finishedInstances(bindings.JOBS), finishedInstances(bindings.DELIVERIES)];
    const curve = await growthCurve(worker, { every, finished });
    const ids = Array.from({ length: jobs }, (_, i) => `job-${i}`);
    for (let start = 0; start < jobs; start += every) {
      const batch = ids.slice(start, start + every);
      await fetch(url, { method: 'POST', body: JSON.stringify(batch) });
      while ((await ended()) < 2 * (start + batch.length)) {
        await sleep(POLL_MS);
      }
      finished.forEach((instances) => batch.forEach((id) => instances.add(id)));
      await sleep(REST_MS);
      await curve.note(start + batch.length);
    }
    return curve.points();
  } finally {
    await worker.dispose();
  }
}
