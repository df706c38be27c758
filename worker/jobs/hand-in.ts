import type { JobPayload } from '../../src/core/jobs/job-request.ts';
import type { JobWebhook } from '../tenants/job-index.ts';
import type { Reply } from '../tenants/reply.ts';
import type { Tenancy, TenantStub } from '../tenants/tenancy.ts';
import type { NewJob, Submission, Submitted } from '../tenants/tenant-jobs.ts';
import { forEachParallel, openJobStore } from './job-store.ts';

export interface HandIn {
  tenant: { id: string; stub: TenantStub };
  batch: string;
  jobs: readonly (NewJob & { payload: JobPayload })[];
  webhook: JobWebhook | null;
  idempotency: Submission['idempotency'];
}

/** Stores the payloads, then has the tenant's object take in all jobs or none; payloads of jobs that are not go again. */
export async function handIn(
  { data }: Pick<Tenancy, 'data'>,
  { tenant, batch, jobs, webhook, idempotency }: HandIn,
): Promise<Reply<Submitted>> {
  const known = await tenant.stub.knownSubmission(idempotency);
  if (known !== null) {
    return known;
  }
  const store = openJobStore(data, tenant.id);
  await forEachParallel(jobs, ({ id, payload }) => store.putRequest(id, payload));
  const news = jobs.map(({ id, ref, task, model, tokens }): NewJob => ({ id, ref, task, model, tokens }));
  const answer = await tenant.stub.submit({ batch, jobs: news, webhook, idempotency });
  if (!answer.ok || answer.value.replayed) {
    await store.remove(jobs.map(({ id }) => id));
  }
  return answer;
}
