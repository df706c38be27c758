import { setTimeout as sleep } from 'node:timers/promises';
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';
import { WORKFLOW_BATCH_MAX } from '../../src/core/limits.ts';
import { workerdRssMb } from '../workerd-memory.ts';

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

/**
 * The control of a batch of jobs: what as many Workflow instances take where none of our code runs.
 *
 * @returns growth of workerd's resident memory over the instances of so many jobs, in megabytes.
 */
export async function growthOfEmptyWorkflows({ jobs }: { jobs: number }): Promise<number> {
  const worker = new Miniflare(
    convertV4MiniflareOptions({
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
    const restMb = workerdRssMb();
    const ids = Array.from({ length: jobs }, (_, i) => `job-${i}`);
    for (let start = 0; start < jobs; start += WORKFLOW_BATCH_MAX) {
      const batch = ids.slice(start, start + WORKFLOW_BATCH_MAX);
      await fetch(url, { method: 'POST', body: JSON.stringify(batch) });
      while ((await ended()) < 2 * (start + batch.length)) {
        await sleep(POLL_MS);
      }
    }
    return workerdRssMb() - restMb;
  } finally {
    await worker.dispose();
  }
}
