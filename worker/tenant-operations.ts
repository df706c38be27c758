import * as z from 'zod';
import { JOB_STATES } from '../src/core/jobs/job.ts';
import { JOB_TASKS, jobRequestSchema } from '../src/core/jobs/job-request.ts';
import { SCOPES, tenantSettings } from '../src/core/tenants/settings.ts';
import { EVENT_TYPES, PAYLOADS } from '../src/core/webhooks/event.ts';
import type { Operation } from './api-operations.ts';
import { listJobsQuery } from './jobs/job-routes.ts';
import { makeKeyRequest, rotateKeyRequest, usageQuery } from './tenants/admin-requests.ts';
import { addWebhookRequest, deliveriesQuery } from './webhooks/webhook-routes.ts';

const JSON_TYPE = 'application/json';
const seconds = z.int().describe('Unix time in seconds');

const job = z.strictObject({
  object: z.literal('job'),
  id: z.string(),
  batch_id: z.string().nullable(),
  ref: z.string().nullable(),
  task: z.enum(JOB_TASKS),
  model: z.string(),
  status: z.enum(JOB_STATES),
  error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
  created_at: seconds,
  started_at: seconds.nullable(),
  ended_at: seconds.nullable(),
  expires_at: seconds.describe('When payload, result and log are deleted'),
  webhook: z.string().nullable(),
});
const result = z
  .record(z.string(), z.unknown())
  .nullable()
  .describe('What the task’s own route answers, and how it was made');
const batch = z.strictObject({ object: z.literal('batch'), id: z.string().nullable(), data: z.array(job) });
const page = z.strictObject({ object: z.literal('list'), data: z.array(job), next_cursor: z.string().nullable() });
const deleted = (object: string) =>
  z.strictObject({ object: z.literal(object), id: z.string(), deleted: z.literal(true) });

const key = {
  id: z.string(),
  purpose: z.string(),
  scopes: z.array(z.enum(SCOPES)),
  created: seconds,
  expires: seconds.nullable(),
};
const madeKey = z.strictObject({ object: z.literal('key'), ...key, key: z.string().describe('Shown once') });
const tenant = z.strictObject({
  object: z.literal('tenant'),
  id: z.string(),
  settings: tenantSettings,
  created: seconds,
  keys: z.array(z.strictObject(key)),
});
const usage = z.strictObject({
  object: z.literal('list'),
  tenant: z.string(),
  data: z.array(z.record(z.string(), z.union([z.string(), z.number()]))),
});

const webhookFields = {
  id: z.string(),
  url: z.string().nullable(),
  payload: z.enum(PAYLOADS),
  ed25519: z.boolean(),
  disabled: z.string().nullable().describe('Why nothing is sent there'),
  created: seconds,
};
const webhook = z.strictObject({ object: z.literal('webhook'), ...webhookFields, secret: z.string() });
const attempt = z.strictObject({
  run: z.int(),
  n: z.int(),
  at: seconds,
  status: z.int().nullable(),
  reason: z.string().nullable(),
});
const delivery = z.strictObject({
  id: z.string().describe('The webhook-id that the receiver sees'),
  job: z.string(),
  webhook: z.string(),
  url: z.string(),
  type: z.enum(EVENT_TYPES),
  state: z.enum(['pending', 'delivered', 'failed', 'disabled']),
  created: seconds,
  ended: seconds.nullable(),
  attempts: z.array(attempt),
});
const list = <Item extends z.ZodType>(item: Item) => z.strictObject({ object: z.literal('list'), data: z.array(item) });

type Named = [name: string, schema: z.ZodType];
type Line = [
  route: `${Operation['method']} ${string}`,
  id: string,
  tag: Operation['tag'],
  summary: string,
  answer: Named,
  more?: Partial<Pick<Operation, 'query' | 'open' | 'status'>> & { request?: Named },
];

const LINES: readonly Line[] = [
  [
    'post /v1/jobs',
    'createJobs',
    'Jobs',
    'Hand in a job, or up to 1000 about an image each',
    ['JobOrBatch', z.union([job, batch])],
    { request: ['JobRequest', jobRequestSchema], status: 202 },
  ],
  ['get /v1/jobs', 'listJobs', 'Jobs', 'List jobs, the newest first', ['JobList', page], { query: listJobsQuery }],
  ['get /v1/jobs/{job}', 'retrieveJob', 'Jobs', 'One job, with its result', ['JobWithResult', job.extend({ result })]],
  [
    'delete /v1/jobs/{job}',
    'deleteJob',
    'Jobs',
    'Delete a job and all that is kept of it',
    ['DeletedJob', deleted('job')],
  ],
  ['post /v1/jobs/{job}/cancel', 'cancelJob', 'Jobs', 'Cancel a job', ['Job', job]],
  [
    'delete /v1/tenant/answers',
    'deleteAnswers',
    'Tenant',
    'Delete all answers kept for repetitions or in the cache',
    ['DeletedAnswers', z.strictObject({ object: z.literal('answers'), deleted: z.int() })],
  ],
  ['get /v1/tenant', 'retrieveTenant', 'Tenant', 'Settings and keys', ['Tenant', tenant]],
  [
    'post /v1/tenant/keys',
    'createKey',
    'Tenant',
    'Make a key',
    ['NewKey', madeKey],
    { request: ['KeyRequest', makeKeyRequest], status: 201 },
  ],
  ['delete /v1/tenant/keys/{key}', 'deleteKey', 'Tenant', 'End a key', ['DeletedKey', deleted('key')]],
  [
    'post /v1/tenant/keys/{key}/rotate',
    'rotateKey',
    'Tenant',
    'A new key; the one before works on for a while',
    ['NewKey', madeKey],
    { request: ['KeyRotation', rotateKeyRequest], status: 201 },
  ],
  [
    'get /v1/tenant/usage',
    'retrieveUsage',
    'Tenant',
    'Usage by day; as CSV too',
    ['Usage', usage],
    { query: usageQuery },
  ],
  [
    'get /v1/tenant/webhooks',
    'listWebhooks',
    'Webhooks',
    'List receivers',
    ['WebhookList', list(z.strictObject(webhookFields))],
  ],
  [
    'post /v1/tenant/webhooks',
    'createWebhook',
    'Webhooks',
    'Add a receiver',
    ['Webhook', webhook],
    { request: ['WebhookRequest', addWebhookRequest], status: 201 },
  ],
  [
    'get /v1/tenant/webhooks/{webhook}',
    'retrieveWebhook',
    'Webhooks',
    'One receiver and its secret',
    ['Webhook', webhook],
  ],
  [
    'delete /v1/tenant/webhooks/{webhook}',
    'deleteWebhook',
    'Webhooks',
    'Remove a receiver',
    ['DeletedWebhook', deleted('webhook')],
  ],
  [
    'post /v1/tenant/webhooks/{webhook}/rotate',
    'rotateWebhook',
    'Webhooks',
    'A new secret beside the old',
    ['Webhook', webhook],
  ],
  [
    'post /v1/tenant/webhooks/{webhook}/enable',
    'enableWebhook',
    'Webhooks',
    'Send again after a 410',
    ['Webhook', webhook],
  ],
  [
    'get /v1/tenant/deliveries',
    'listDeliveries',
    'Webhooks',
    'Messages and every attempt to deliver them',
    ['DeliveryList', list(delivery)],
    { query: deliveriesQuery },
  ],
  [
    'post /v1/tenant/deliveries/{delivery}/redeliver',
    'redeliver',
    'Webhooks',
    'Deliver once more, under the same id',
    ['Redelivery', z.strictObject({ object: z.literal('delivery'), id: z.string(), run: z.int() })],
    { status: 202 },
  ],
  [
    'get /webhooks/{tenant}/{webhook}/keys',
    'webhookKeys',
    'Webhooks',
    'Public keys that a receiver’s messages are signed with',
    ['PublicKeys', z.strictObject({ keys: z.array(z.record(z.string(), z.string())) })],
    { open: true },
  ],
];

/** The routes that there are only where tenants are served; the operator's are in docs/tenants.md. */
export const TENANT_OPERATIONS: readonly Operation[] = LINES.map(([route, id, tag, summary, answer, more = {}]) => {
  const [method, path] = route.split(' ') as [Operation['method'], string];
  const { request, ...others } = more;
  const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
  return {
    method,
    path,
    id,
    tag,
    summary,
    description: `${summary}. More in docs/tenants.md.`,
    ...others,
    ...(names.length === 0
      ? {}
      : { pathParameters: z.strictObject(Object.fromEntries(names.map((name) => [name, z.string()]))) }),
    ...(request === undefined ? {} : { request: [{ mediaType: JSON_TYPE, json: request }] }),
    answer: [{ mediaType: JSON_TYPE, json: answer }],
  };
});
