import { jobObject } from '../../src/core/jobs/job.ts';
import { type JobCall, type JobTask, parseJobs } from '../../src/core/jobs/job-request.ts';
import { IDEMPOTENCY_KEY_MAX_CHARS, REQUEST_BODY_MAX_BYTES } from '../../src/core/limits.ts';
import { RequestError } from '../../src/core/protocol/failure.ts';
import { defaultModel, routeModel } from '../../src/core/tenants/route-model.ts';
import type { Deps } from '../deps.ts';
import { modelChain } from '../model-chain.ts';
import { denyReason } from '../public-url.ts';
import { parseJson } from '../read-body.ts';
import type { RequestContext } from '../request-context.ts';
import { jsonResponse } from '../sized-response.ts';
import { boundAnswer, costBound } from '../tenants/admit.ts';
import type { Tenant } from '../tenants/identify-tenant.ts';
import type { JobWebhook } from '../tenants/job-index.ts';
import { sha256Hex } from '../tenants/new-key.ts';
import { unwrap } from '../tenants/reply.ts';
import type { Tenancy } from '../tenants/tenancy.ts';
import type { NewJob, Submission, Submitted } from '../tenants/tenant-jobs.ts';
import { DEFAULT_WEBHOOK } from '../tenants/webhook-book.ts';
import { forEachParallel, openJobStore } from './job-store.ts';

export const IDEMPOTENCY_HEADER = 'idempotency-key';
export const REPLAYED_HEADER = 'idempotency-replayed';

/** POST /v1/jobs: checks everything that can be checked now, stores the payloads, then takes in all jobs or none. */
export async function submitJobs(
  { config, newId }: Pick<Deps, 'config' | 'newId'>,
  tenancy: Tenancy,
  tenant: Tenant,
  context: RequestContext,
): Promise<Response> {
  const bytes = await context.receive(REQUEST_BODY_MAX_BYTES);
  const { settings, stub } = tenant;
  const call = parseJobs(parseJson(bytes), {
    defaultModel: (task: JobTask) => defaultModel(settings, task, config.model),
    prompts: config.taskPrompts,
  });
  const jobs = call.drafts.map(({ ref, payload, chat }): NewJob => {
    const bounded = boundAnswer(chat, settings);
    modelChain(bounded, config, routeModel(settings, bounded, payload.task));
    return { id: `job_${newId()}`, ref, task: payload.task, model: chat.model, tokens: costBound(bounded) };
  });
  const webhook = webhookOf(call, context.host, tenancy.ownHost);
  const idempotency = await idempotencyOf(context.headers, bytes);
  const known = await stub.knownSubmission(idempotency);
  if (known !== null) {
    return accepted(unwrap(known), call, context);
  }

  const store = openJobStore(tenancy.data, tenant.id);
  const ids = jobs.map(({ id }) => id);
  await forEachParallel([...call.drafts.entries()], async ([i, { payload }]) => {
    await store.putRequest(ids[i] ?? '', payload);
  });
  const submission: Submission = { batch: `batch_${newId()}`, jobs, webhook, idempotency };
  const answer = await stub.submit(submission);
  if (!answer.ok || answer.value.replayed) {
    await store.remove(ids);
  }
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

/**
 * The request's idempotency key and what it stands for: path and body, byte for byte.
 *
 * @throws RequestError `invalid-request`
 */
export async function idempotencyOf(
  headers: Headers,
  body: Uint8Array<ArrayBuffer>,
): Promise<Submission['idempotency']> {
  const key = headers.get(IDEMPOTENCY_HEADER);
  if (key === null) {
    return null;
  }
  if (key === '' || key.length > IDEMPOTENCY_KEY_MAX_CHARS || !/^[\x21-\x7e]+$/.test(key)) {
    const message = `Idempotency-Key: expected 1 to ${IDEMPOTENCY_KEY_MAX_CHARS} visible ASCII characters`;
    throw new RequestError({ kind: 'invalid-request', param: IDEMPOTENCY_HEADER, message });
  }
  return { key, hash: await sha256Hex(body) };
}
