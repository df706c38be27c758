import type { Context } from 'hono';
import * as z from 'zod';
import { jobObject, JOB_STATES, type Job } from '../../src/core/jobs/job.ts';
import { JOBS_PAGE, JOBS_PAGE_MAX } from '../../src/core/limits.ts';
import { RequestError } from '../../src/core/protocol/failure.ts';
import type { Scope } from '../../src/core/tenants/settings.ts';
import type { Deps } from '../deps.ts';
import type { Env, Route } from '../shell.ts';
import { jsonResponse } from '../sized-response.ts';
import { checked } from '../tenants/admin-requests.ts';
import { requireScope, type Tenant } from '../tenants/identify-tenant.ts';
import { unwrap } from '../tenants/reply.ts';
import type { Tenancy } from '../tenants/tenancy.ts';
import { openJobStore } from './job-store.ts';
import { submitJobs } from './submit-jobs.ts';

export const listJobsQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(JOBS_PAGE_MAX).default(JOBS_PAGE),
  cursor: z
    .string()
    .regex(/^[0-9a-z]{1,10}$/)
    .nullable()
    .default(null)
    .describe('`next_cursor` of the page before'),
  batch: z.string().nullable().default(null),
  status: z.enum(JOB_STATES).nullable().default(null),
});

/** Jobs of the tenant whose key the request has; another's have ids that lead nowhere here. */
export function jobRoutes(tenancy: Tenancy, deps: Pick<Deps, 'config' | 'newId'>): Route[] {
  const idOf = (c: Context<Env>): string => c.req.param('job') ?? '';

  async function show(c: Context<Env>): Promise<Response> {
    const tenant = tenantOf(c, 'jobs');
    const job = found(await tenant.stub.job(idOf(c)), idOf(c));
    const result = job.state === 'succeeded' ? await openJobStore(tenancy.data, tenant.id).result(job.id) : null;
    return jsonResponse({ ...jobObject(job), result });
  }

  async function list(c: Context<Env>): Promise<Response> {
    const { limit, cursor, batch, status } = checked(listJobsQuery, c.req.query());
    const { jobs, next } = await tenantOf(c, 'jobs').stub.listJobs({ limit, cursor, batch, state: status });
    return jsonResponse({ object: 'list', data: jobs.map(jobObject), next_cursor: next });
  }

  return [
    ['POST', '/v1/jobs', (c) => submitJobs(deps, tenancy, tenantOf(c, 'jobs'), c.var.request)],
    ['GET', '/v1/jobs', list],
    ['GET', '/v1/jobs/:job', show],
    [
      'POST',
      '/v1/jobs/:job/cancel',
      async (c) => jsonResponse(jobObject(unwrap(await tenantOf(c, 'jobs').stub.cancelJob(idOf(c))))),
    ],
    [
      'DELETE',
      '/v1/jobs/:job',
      async (c) => {
        unwrap(await tenantOf(c, 'jobs').stub.deleteJob(idOf(c)));
        return jsonResponse({ object: 'job', id: idOf(c), deleted: true });
      },
    ],
  ];
}

/** @throws RequestError `unauthorized`, `forbidden` */
export function tenantOf(c: Context<Env>, scope: Scope): Tenant {
  const { tenant } = c.var.request;
  if (tenant === null) {
    throw new RequestError({ kind: 'unauthorized', message: 'Send an API key of a tenant' });
  }
  requireScope(tenant, scope);
  return tenant;
}

function found(job: Job | null, id: string): Job {
  if (job === null) {
    throw new RequestError({ kind: 'no-such-resource', what: 'job', id });
  }
  return job;
}
