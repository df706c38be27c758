import { setTimeout as sleep } from 'node:timers/promises';
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';
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

/** The control of a batch of jobs: what as many Workflow instances take where none of our code runs. */
export async function growthOfEmptyWorkflows(size: { points: number; jobs: number }): Promise<readonly Growth[]> {
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
    let begun = 0;
    return await growthCurve(worker, size, async (jobs) => {
      const ids = Array.from({ length: jobs }, (_, i) => `job-${begun + i}`);
      begun += jobs;
      await fetch(url, { method: 'POST', body: JSON.stringify(ids) });
      while ((await ended()) < 2 * begun) {
        await sleep(POLL_MS);
      }
      return { jobs: ids, deliveries: ids };
    });
  } finally {
    await worker.dispose();
  }
}
