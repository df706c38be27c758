import { jobObject } from '../../src/core/jobs/job.ts';
import { eventBody } from '../../src/core/webhooks/event.ts';
import { afterAttempt, type NextStep } from '../../src/core/webhooks/retry-schedule.ts';
import type { Deps } from '../deps.ts';
import { openJobStore } from '../jobs/job-store.ts';
import type { Steps } from '../jobs/steps.ts';
import type { DeliveryParams } from '../jobs/workflow-params.ts';
import { type Tenancy, tenantStub } from '../tenants/tenancy.ts';
import { sendWebhook } from './send.ts';

export interface DeliveryRun {
  params: DeliveryParams;
  deps: Pick<Deps, 'fetch' | 'random' | 'unixSeconds'>;
  tenancy: Tenancy;
  steps: Steps;
}

/** Sends a message until it is delivered or the schedule ends. An attempt that was cut off may be sent twice, as itself. */
export async function runDelivery(run: DeliveryRun): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const next = await run.steps.do<NextStep | { kind: 'stopped' }>(`attempt ${attempt}`, () => send(run, attempt));
    if (next.kind !== 'wait') {
      return;
    }
    await run.steps.sleep(`before attempt ${attempt + 1}`, next.seconds);
  }
}

async function send({ params, deps, tenancy }: DeliveryRun, attempt: number): Promise<NextStep | { kind: 'stopped' }> {
  const { tenant, message, run } = params;
  const stub = tenantStub(tenancy, tenant);
  const plan = await stub.deliveryPlan(message, run);
  const job = plan === null ? null : await stub.job(plan.job);
  if (plan === null || job === null) {
    return { kind: 'stopped' };
  }
  const result = plan.payload === 'full' ? await openJobStore(tenancy.data, tenant).result(job.id) : null;
  // Made of what does not change after the job's end: the same bytes at every attempt.
  const ended = new Date((job.ended ?? job.created) * 1000).toISOString();
  const { webhook: _, ...thin } = jobObject(job);
  const body = eventBody(plan.type, ended, plan.payload, thin, { result });
  const sent = await sendWebhook(
    plan.url,
    { id: message, body },
    { keys: plan.keys, asymmetric: plan.ed25519, nowSeconds: deps.unixSeconds() },
    { fetch: deps.fetch, ownHost: tenancy.ownHost },
  );
  const next = afterAttempt(attempt, sent, deps.random());
  await stub.attempted(message, run, attempt, sent, next);
  return next;
}
