import type { Context } from 'hono';
import * as z from 'zod';
import { DELIVERIES_PAGE_MAX, WEBHOOK_URL_MAX_CHARS } from '../../src/core/limits.ts';
import { RequestError } from '../../src/core/protocol/failure.ts';
import { PAYLOADS } from '../../src/core/webhooks/event.ts';
import { requirePublicUrl } from '../jobs/submit-jobs.ts';
import { tenantOf } from '../jobs/job-routes.ts';
import type { Env, Route } from '../shell.ts';
import { jsonResponse } from '../sized-response.ts';
import { checked, readBody } from '../tenants/admin-requests.ts';
import { tenantName } from '../tenants/key-record.ts';
import { unwrap } from '../tenants/reply.ts';
import { type Tenancy, tenantStub } from '../tenants/tenancy.ts';

export const addWebhookRequest = z.strictObject({
  url: z.url({ protocol: /^https$/ }).max(WEBHOOK_URL_MAX_CHARS),
  payload: z.enum(PAYLOADS).default('thin').describe('thin: what happened to which job; full: with the result'),
  ed25519: z.boolean().default(false).describe('Signs with a key pair too (v1a)'),
});

export const deliveriesQuery = z.strictObject({
  job: z.string().nullable().default(null),
  limit: z.coerce.number().int().min(1).max(DELIVERIES_PAGE_MAX).default(DELIVERIES_PAGE_MAX),
});

/** A tenant's receivers and the log of what was sent to them; keys of scope `admin`, for they show secrets. */
export function webhookRoutes(tenancy: Tenancy): Route[] {
  const idOf = (c: Context<Env>): string => c.req.param('webhook') ?? '';
  const stubOf = (c: Context<Env>) => tenantOf(c, 'admin').stub;

  async function add(c: Context<Env>): Promise<Response> {
    const stub = stubOf(c);
    const wanted = await readBody(addWebhookRequest, c.var.request);
    requirePublicUrl(wanted.url, 'url', c.var.request.host, tenancy.ownHost);
    return jsonResponse({ object: 'webhook', ...unwrap(await stub.addWebhook(wanted)) }, { status: 201 });
  }

  async function publicKeys(c: Context<Env>): Promise<Response> {
    const tenant = c.req.param('tenant') ?? '';
    const exists = (await tenancy.keys.get(tenantName(tenant))) !== null;
    const keys = exists ? await tenantStub(tenancy, tenant).publicKeys(idOf(c)) : null;
    if (keys === null) {
      throw new RequestError({ kind: 'no-such-resource', what: 'webhook', id: idOf(c) });
    }
    return jsonResponse(keys);
  }

  return [
    ['POST', '/v1/tenant/webhooks', add],
    ['GET', '/v1/tenant/webhooks', async (c) => jsonResponse({ object: 'list', data: await stubOf(c).listWebhooks() })],
    [
      'GET',
      '/v1/tenant/webhooks/:webhook',
      async (c) => jsonResponse({ object: 'webhook', ...unwrap(await stubOf(c).webhook(idOf(c))) }),
    ],
    [
      'POST',
      '/v1/tenant/webhooks/:webhook/rotate',
      async (c) => jsonResponse({ object: 'webhook', ...unwrap(await stubOf(c).rotateWebhook(idOf(c))) }),
    ],
    [
      'POST',
      '/v1/tenant/webhooks/:webhook/enable',
      async (c) => jsonResponse({ object: 'webhook', ...unwrap(await stubOf(c).enableWebhook(idOf(c))) }),
    ],
    [
      'DELETE',
      '/v1/tenant/webhooks/:webhook',
      async (c) => {
        unwrap(await stubOf(c).removeWebhook(idOf(c)));
        return jsonResponse({ object: 'webhook', id: idOf(c), deleted: true });
      },
    ],
    [
      'GET',
      '/v1/tenant/deliveries',
      async (c) => {
        const stub = stubOf(c);
        const query = checked(deliveriesQuery, c.req.query());
        return jsonResponse({ object: 'list', data: await stub.deliveries(query) });
      },
    ],
    [
      'POST',
      '/v1/tenant/deliveries/:delivery/redeliver',
      async (c) => {
        const again = unwrap(await stubOf(c).redeliver(c.req.param('delivery') ?? ''));
        return jsonResponse({ object: 'delivery', ...again }, { status: 202 });
      },
    ],
    ['GET', '/webhooks/:tenant/:webhook/keys', publicKeys],
  ];
}
