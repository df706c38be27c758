import type { JobRun } from '../../../worker/jobs/run-job.ts';
import { runJob } from '../../../worker/jobs/run-job.ts';
import type { Steps } from '../../../worker/jobs/steps.ts';
import { runDelivery } from '../../../worker/webhooks/run-delivery.ts';
import type { FakeUpstream } from '../fake-upstream.ts';
import { TENANCY, type TenantApp, tenantApp } from '../tenants/tenant-app.ts';

export interface Received {
  url: string;
  headers: Record<string, string>;
  body: string;
}

/** Steps that run at once, `retries` times more when they throw; sleeps are noted and cost no time. */
export function instantSteps(retries = 5): Steps & { slept: number[] } {
  const slept: number[] = [];
  return {
    slept,
    async do(_, run) {
      for (let left = retries; ; left--) {
        try {
          return await run();
        } catch (error) {
          if (left === 0) {
            throw error;
          }
        }
      }
    },
    async sleep(_, seconds) {
      slept.push(seconds);
    },
  };
}

/** The app, hosts of images and receivers of webhooks; Workflows are run by hand. */
export function jobLine(
  upstream: Pick<FakeUpstream, 'fetch'>,
  answer: (url: string, signal: AbortSignal) => Response | Promise<Response> = () =>
    new Response(null, { status: 204 }),
) {
  const received: Received[] = [];
  const app: TenantApp = tenantApp({
    async fetch(url, init) {
      if (url.startsWith('http://upstream.test/')) {
        return upstream.fetch(url, init);
      }
      const request = new Request(url, init);
      if (request.method === 'POST') {
        received.push({ url, headers: Object.fromEntries(request.headers), body: await request.text() });
      }
      return answer(url, request.signal);
    },
  });
  const deps = app.deps;
  return {
    app,
    received,
    run: async (tenant: string, job: string, steps = instantSteps()): Promise<void> => {
      const run: JobRun = { params: { tenant, job }, deps, tenancy: TENANCY, steps, waitUntil: () => undefined };
      await runJob(run);
    },
    deliver: async (tenant: string, message: string, run = 1, steps = instantSteps()): Promise<number[]> => {
      await runDelivery({ params: { tenant, message, run }, deps, tenancy: TENANCY, steps });
      return steps.slept;
    },
  };
}

/** The message about a job; its id follows from the job's. */
export function messageOf(job: string): string {
  return job.replace(/^job_/, 'msg_');
}
