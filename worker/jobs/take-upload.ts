import * as z from 'zod';
import { draftTask } from '../../src/core/jobs/job-request.ts';
import { JOB_REF_MAX_CHARS } from '../../src/core/limits.ts';
import { defaultModel, routeModel } from '../../src/core/tenants/route-model.ts';
import { tenantId, type TenantSettings } from '../../src/core/tenants/settings.ts';
import type { Deps } from '../deps.ts';
import { modelChain } from '../model-chain.ts';
import { boundAnswer, costBound } from '../tenants/admit.ts';
import { tenantName } from '../tenants/key-record.ts';
import { sha256Hex } from '../tenants/new-key.ts';
import { type Tenancy, tenantStub } from '../tenants/tenancy.ts';
import { handIn } from './hand-in.ts';

/** R2's event notification, as far as it matters here. */
const uploadEvent = z.object({
  action: z.string(),
  eventTime: z.string(),
  object: z.object({ key: z.string(), eTag: z.string().default('') }),
});

/** What becomes of a notification: it made a job, or need not; or it is to come again. */
export type Taken = { kind: 'taken' } | { kind: 'ignored' } | { kind: 'later'; seconds: number };

const NEW_OBJECT = new Set(['PutObject', 'CopyObject', 'CompleteMultipartUpload']);

/**
 * An upload to `TENANT/PATH` becomes a job where one of the tenant's rules has a prefix of its path; the longest one
 * decides. The result goes beside the object, as `PATH.caption.json` or `PATH.ocr.json`, and to the rule's webhook.
 *
 * @throws RequestError for a rule that cannot be followed, e.g. a model that is gone.
 */
export async function takeUpload(message: unknown, { config }: Pick<Deps, 'config'>, tenancy: Tenancy): Promise<Taken> {
  const event = uploadEvent.safeParse(message);
  if (!event.success || !NEW_OBJECT.has(event.data.action)) {
    return { kind: 'ignored' };
  }
  const { object, eventTime } = event.data;
  const [id = '', ...rest] = object.key.split('/');
  const path = rest.join('/');
  if (!tenantId.safeParse(id).success || (await tenancy.keys.get(tenantName(id))) === null || isResult(path)) {
    return { kind: 'ignored' };
  }
  const stub = tenantStub(tenancy, id);
  const settings = await stub.settings();
  const rule = settings === null ? null : ruleFor(path, settings);
  if (settings === null || rule === null) {
    return { kind: 'ignored' };
  }
  const options = {
    defaultModel: () => rule.model ?? defaultModel(settings, rule.task, config.model),
    prompts: config.taskPrompts,
  };
  const ref = path.length > JOB_REF_MAX_CHARS ? null : path;
  const beside = `${path}.${rule.task}.json`;
  const { payload, chat } = draftTask(
    rule.task,
    { from: 'upload', key: path },
    { structured: false },
    ref,
    options,
    beside,
  );
  const bounded = boundAnswer(chat, settings);
  modelChain(bounded, config, routeModel(settings, bounded, rule.task));
  // The same notification may come twice. A client's key has no space, so that none is mistaken for this.
  const hash = await sha256Hex(JSON.stringify([object.key, object.eTag, eventTime]));
  const name = hash.slice(0, 32);
  const answer = await handIn(tenancy, {
    tenant: { id, stub },
    batch: `batch_${name}`,
    jobs: [{ id: `job_${name}`, ref, task: rule.task, model: chat.model, tokens: costBound(bounded), payload }],
    webhook: rule.webhook === null ? null : { id: rule.webhook, url: null, payload: null },
    idempotency: { key: `upload ${name}`, hash },
  });
  if (answer.ok) {
    return { kind: 'taken' };
  }
  return answer.failure.kind === 'quota-exceeded'
    ? { kind: 'later', seconds: answer.failure.retryAfterSeconds }
    : { kind: 'ignored' };
}

/** Our own results are uploads too. */
function isResult(path: string): boolean {
  return /\.(caption|ocr)\.json$/.test(path);
}

function ruleFor(path: string, { uploads }: TenantSettings): TenantSettings['uploads'][number] | null {
  const [longest] = uploads
    .filter(({ prefix }) => path.startsWith(prefix))
    .sort((a, b) => b.prefix.length - a.prefix.length);
  return longest ?? null;
}
