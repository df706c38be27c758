import { jobObject } from '../../src/core/jobs/job.ts';
import { type JobCall, type JobTask, parseJobs } from '../../src/core/jobs/job-request.ts';
import { REQUEST_BODY_MAX_BYTES } from '../../src/core/limits.ts';
import { RequestError } from '../../src/core/protocol/failure.ts';
import { defaultModel, routeModel } from '../../src/core/tenants/route-model.ts';
import type { Deps } from '../deps.ts';
import { modelChain } from '../model-chain.ts';
import { denyReason } from '../public-url.ts';
import { consumeJson } from '../read-body.ts';
import type { RequestContext } from '../request-context.ts';
import { jsonResponse } from '../sized-response.ts';
import { boundAnswer, costBound } from '../tenants/admit.ts';
import { idempotencyKeyOf, REPLAYED_HEADER } from '../tenants/idempotency.ts';
import type { Tenant } from '../tenants/identify-tenant.ts';
import type { JobWebhook } from '../tenants/job-index.ts';
import { sha256Hex } from '../tenants/new-key.ts';
import { unwrap } from '../tenants/reply.ts';
import type { Tenancy } from '../tenants/tenancy.ts';
import type { Submitted } from '../tenants/tenant-jobs.ts';
import { DEFAULT_WEBHOOK } from '../tenants/webhook-book.ts';
import { handIn } from './hand-in.ts';

/** POST /v1/jobs: checks everything that can be checked now, stores the payloads, then takes in all jobs or none. */
export async function submitJobs(
  { config, newId }: Pick<Deps, 'config' | 'newId'>,
  tenancy: Tenancy,
  tenant: Tenant,
  context: RequestContext,
): Promise<Response> {
  const bytes = await context.receive(REQUEST_BODY_MAX_BYTES);
  const { settings } = tenant;
  const key = idempotencyKeyOf(context.headers);
  const idempotency = key === null ? null : { key, hash: await sha256Hex(bytes) };
  const call = parseJobs(consumeJson(bytes), {
    defaultModel: (task: JobTask) => defaultModel(settings, task, config.model),
    prompts: config.taskPrompts,
  });
  const jobs = call.drafts.map(({ ref, payload, chat }) => {
    const bounded = boundAnswer(chat, settings);
    modelChain(bounded, config, routeModel(settings, bounded, payload.task));
    return { id: `job_${newId()}`, ref, task: payload.task, model: chat.model, tokens: costBound(bounded), payload };
  });
  const answer = await handIn(tenancy, {
    tenant,
    jobs,
    batch: `batch_${newId()}`,
    webhook: webhookOf(call, context.host, tenancy.ownHost),
    idempotency,
  });
  return accepted(unwrap(answer), call, context);
}

function accepted({ jobs, replayed }: Submitted, call: JobCall, { header }: RequestContext): Response {
  if (replayed) {
    header(REPLAYED_HEADER, 'true');
  }
  const objects = jobs.map(jobObject);
  const [first] = objects;
  const body =
    call.isBatch || first === undefined ? { object: 'batch', id: first?.batch_id ?? null, data: objects } : first;
  return jsonResponse(body, { status: 202 });
}

function webhookOf({ webhook, webhookPayload }: JobCall, host: string, ownHost: string | null): JobWebhook | null {
  if (webhook === null) {
    return null;
  }
  if (!webhook.startsWith('https:')) {
    return { id: webhook, url: null, payload: webhookPayload ?? null };
  }
  requirePublicUrl(webhook, 'webhook', host, ownHost);
  return { id: DEFAULT_WEBHOOK, url: webhook, payload: webhookPayload ?? null };
}

/** @throws RequestError `invalid-request` for a URL that the worker may not call. */
export function requirePublicUrl(text: string, param: string, host: string, ownHost: string | null): void {
  const url = new URL(text);
  const denied = denyReason(url, host) ?? denyReason(url, ownHost);
  if (denied !== null) {
    const message = `${param}: the URL cannot be used: ${denied}`;
    throw new RequestError({ kind: 'invalid-request', param, message, code: 'invalid_webhook_url' });
  }
}
