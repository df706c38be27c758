import type { JobEnd, JobError } from '../../src/core/jobs/job.ts';
import type { JobPayload } from '../../src/core/jobs/job-request.ts';
import { RequestError, toWireError } from '../../src/core/protocol/failure.ts';
import type { Deps } from '../deps.ts';
import { failureOf, isRetryable } from '../error-response.ts';
import { loadImage } from '../load-image.ts';
import { type Tenancy, type TenantStub, tenantStub } from '../tenants/tenancy.ts';
import { tenantUploads } from '../uploads.ts';
import { withShare } from '../room-share.ts';
import { infer } from './infer.ts';
import { type JobStore, openJobStore } from './job-store.ts';
import type { Steps } from './steps.ts';
import type { JobParams } from './workflow-params.ts';

export interface JobRun {
  params: JobParams;
  deps: Deps;
  tenancy: Tenancy;
  steps: Steps;
  waitUntil: (work: Promise<unknown>) => void;
}

/** What a step tells the next: names and codes only, since the platform keeps it. */
type StepResult = { kind: 'done' } | { kind: 'stop' } | { kind: 'poison'; error: JobError };

/**
 * A job from its payload to its end: take in the image, ask the model, store the answer, tell the tenant's object, which
 * sends the webhook. A step that was cut off runs again; what it had done is found and not done twice.
 */
export async function runJob(run: JobRun): Promise<void> {
  const { params, tenancy, steps } = run;
  const stub = tenantStub(tenancy, params.tenant);
  const store = openJobStore(tenancy.data, params.tenant);
  const end = await workOn(run, stub, store);
  if (end !== null) {
    await steps.do('end', async () => {
      await stub.endJob(params.job, end);
      return null;
    });
  }
}

/** Null when the job was over meanwhile. */
async function workOn(run: JobRun, stub: TenantStub, store: JobStore): Promise<JobEnd | null> {
  for (const [name, step] of [
    ['take in image', takeIn],
    ['ask the model', ask],
  ] as const) {
    try {
      const result = await run.steps.do(name, () => orPoison(() => step(run, stub, store)));
      if (result.kind !== 'done') {
        return result.kind === 'stop' ? null : { state: 'failed', error: result.error };
      }
    } catch (error) {
      return { state: 'failed', error: lastError(error) };
    }
  }
  return { state: 'succeeded' };
}

async function takeIn({ params, deps, tenancy }: JobRun, stub: TenantStub, store: JobStore): Promise<StepResult> {
  if ((await stub.startJob(params.job)) === null) {
    return { kind: 'stop' };
  }
  const { source } = await payloadOf(params, store);
  const uploads = tenantUploads(tenancy.uploads, params.tenant);
  const { signal } = new AbortController();
  await withShare(deps.rooms.downloads, signal, async ({ take: enter }) => {
    if (source?.from === 'url') {
      const sources = { fetch: deps.fetch, uploads, enter, signal };
      await store.putImage(params.job, await loadImage(source.url, 'image', sources));
    } else if (source?.from === 'upload') {
      await store.putImage(params.job, await uploads(source.key, 'image', enter));
    }
  });
  return { kind: 'done' };
}

async function ask(run: JobRun, stub: TenantStub, store: JobStore): Promise<StepResult> {
  const { signal } = new AbortController();
  return withShare(run.deps.rooms.incoming, signal, ({ take }) => askWithin(run, stub, store, take));
}

async function askWithin(
  run: JobRun,
  stub: TenantStub,
  store: JobStore,
  enter: (bytes: number) => Promise<void>,
): Promise<StepResult> {
  const { params, deps, tenancy, waitUntil } = run;
  if ((await store.result(params.job)) === null) {
    if ((await stub.startJob(params.job)) === null) {
      return { kind: 'stop' };
    }
    const payload = await payloadOf(params, store);
    const settings = await stub.settings();
    if (settings === null) {
      return { kind: 'stop' };
    }
    const attempt = deps.newId();
    const image = payload.source === null ? null : await store.image(params.job, enter);
    const { result } = await infer(payload, image, {
      deps,
      tenant: params.tenant,
      settings,
      attempt,
      uploads: tenantUploads(tenancy.uploads, params.tenant),
      waitUntil,
      report: (calls) => stub.reportJob(params.job, attempt, calls),
    });
    await store.putResult(params.job, result);
    if (payload.writeBeside !== null) {
      await tenancy.uploads.put(`${params.tenant}/${payload.writeBeside}`, JSON.stringify(result), {
        httpMetadata: { contentType: 'application/json' },
      });
    }
  }
  if ((await stub.job(params.job)) === null) {
    // It was deleted meanwhile; nothing of it may stay.
    await store.remove([params.job]);
    return { kind: 'stop' };
  }
  return { kind: 'done' };
}

async function payloadOf({ job }: JobParams, store: JobStore): Promise<JobPayload> {
  const payload = await store.request(job);
  if (payload === null) {
    throw new RequestError({ kind: 'no-such-resource', what: 'payload of the job', id: job });
  }
  return payload;
}

/** A fault that trying again does not heal is a result; any other is thrown, for the platform to try again. */
async function orPoison(step: () => Promise<StepResult>): Promise<StepResult> {
  try {
    return await step();
  } catch (error) {
    const failure = failureOf(error);
    if (failure.kind !== 'internal' && !isRetryable(failure)) {
      return { kind: 'poison', error: errorOf(error) };
    }
    // Only the message survives the step.
    const { code, message } = errorOf(error);
    throw new Error(`${code}: ${message}`, { cause: error });
  }
}

function errorOf(error: unknown): JobError {
  const failure = failureOf(error);
  const { code, message } = toWireError(failure).body.error;
  // Upstream's own words may repeat the prompt, and this is kept.
  return { code: code ?? failure.kind, message: 'said' in failure ? failure.message : message };
}

function lastError(error: unknown): JobError {
  const text = error instanceof Error ? error.message : '';
  const [, code, message] = /^(?:Error: )?([a-z_]+): (.*)$/s.exec(text) ?? [];
  return { code: code ?? 'internal_error', message: message ?? 'The job failed; see the log of the worker' };
}
