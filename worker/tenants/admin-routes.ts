import type { Context } from 'hono';
import { RequestError } from '../../src/core/protocol/failure.ts';
import { SCOPES, tenantSettings } from '../../src/core/tenants/settings.ts';
import { usageCsv } from '../../src/core/tenants/usage-report.ts';
import { authorise } from '../authorise.ts';
import type { Deps } from '../deps.ts';
import type { Env, Route } from '../shell.ts';
import { jsonResponse, textResponse } from '../sized-response.ts';
import {
  checked,
  createTenantRequest,
  listTenantsQuery,
  makeKeyRequest,
  readBody,
  rotateKeyRequest,
  usageQuery,
  usageSpan,
} from './admin-requests.ts';
import { requireScope } from './identify-tenant.ts';
import { unwrap } from './reply.ts';
import { type Tenancy, type TenantStub, tenantStub } from './tenancy.ts';
import { listTenants } from './tenant-list.ts';

/** The tenant that a request manages, found by the operator's key or by the tenant's own. */
interface Managed {
  id: string;
  stub: TenantStub;
}

/**
 * Managing tenants: the operator at `/admin/tenants/ID`, a tenant itself at `/v1/tenant` with a key of scope `admin`.
 * A tenant's path names no tenant, so that there is none to confuse with another.
 */
export function adminRoutes(tenancy: Tenancy, deps: Pick<Deps, 'unixSeconds'>): Route[] {
  async function requireOperator(c: Context<Env>): Promise<void> {
    const key = await authorise(c.req.raw.headers, tenancy.operator, deps.unixSeconds);
    c.var.request.record.note({ key });
  }

  async function byOperator(c: Context<Env>): Promise<Managed> {
    await requireOperator(c);
    const id = c.req.param('tenant') ?? '';
    return { id, stub: tenantStub(tenancy, id) };
  }

  async function byTenant(c: Context<Env>): Promise<Managed> {
    const { tenant } = c.var.request;
    if (tenant === null) {
      throw new RequestError({ kind: 'unauthorized', message: 'Send an API key of a tenant' });
    }
    requireScope(tenant, 'admin');
    return tenant;
  }

  async function create(c: Context<Env>): Promise<Response> {
    await requireOperator(c);
    const { id, settings } = await readBody(createTenantRequest, c.var.request);
    const stub = tenantStub(tenancy, id);
    const tenant = unwrap(await stub.create(id, settings));
    const key = unwrap(await stub.makeKey(id, { purpose: 'first', scopes: [...SCOPES], expires: null }));
    return jsonResponse({ object: 'tenant', ...tenant, key }, { status: 201 });
  }

  const shared = (base: string, find: (c: Context<Env>) => Promise<Managed>): Route[] => [
    [
      'GET',
      base,
      async (c) => {
        const { id, stub } = await find(c);
        return jsonResponse({ object: 'tenant', ...unwrap(await stub.describe(id)) });
      },
    ],
    [
      'POST',
      `${base}/keys`,
      async (c) => {
        const { id, stub } = await find(c);
        const wanted = await readBody(makeKeyRequest, c.var.request);
        return jsonResponse({ object: 'key', ...unwrap(await stub.makeKey(id, wanted)) }, { status: 201 });
      },
    ],
    [
      'POST',
      `${base}/keys/:key/rotate`,
      async (c) => {
        const { stub } = await find(c);
        const { overlap_seconds: overlap } = await readBody(rotateKeyRequest, c.var.request);
        const made = unwrap(await stub.rotateKey(c.req.param('key') ?? '', overlap));
        return jsonResponse({ object: 'key', ...made }, { status: 201 });
      },
    ],
    [
      'DELETE',
      `${base}/keys/:key`,
      async (c) => {
        const { stub } = await find(c);
        const id = c.req.param('key') ?? '';
        unwrap(await stub.revokeKey(id));
        return jsonResponse({ object: 'key', id, deleted: true });
      },
    ],
    [
      'GET',
      `${base}/usage`,
      async (c) => {
        const { id, stub } = await find(c);
        const query = checked(usageQuery, c.req.query());
        const { from, to } = usageSpan(query, deps.unixSeconds());
        const rows = await stub.usage(from, to);
        if (query.format === 'csv') {
          const response = textResponse(usageCsv(rows));
          response.headers.set('content-type', 'text/csv; charset=utf-8');
          return response;
        }
        return jsonResponse({ object: 'list', tenant: id, data: rows });
      },
    ],
  ];

  async function listAll(c: Context<Env>): Promise<Response> {
    await requireOperator(c);
    const { tenants, next } = await listTenants(tenancy.keys, checked(listTenantsQuery, c.req.query()));
    const data = tenants.map((tenant) => ({ object: 'tenant', ...tenant }));
    return jsonResponse({ object: 'list', data, next_cursor: next });
  }

  return [
    ['POST', '/admin/tenants', create],
    ['GET', '/admin/tenants', listAll],
    [
      'POST',
      '/admin/tenants/:tenant',
      async (c) => {
        const { id, stub } = await byOperator(c);
        const settings = await readBody(tenantSettings, c.var.request);
        return jsonResponse({ object: 'tenant', ...unwrap(await stub.update(id, settings)) });
      },
    ],
    [
      'DELETE',
      '/admin/tenants/:tenant',
      async (c) => {
        const { id, stub } = await byOperator(c);
        unwrap(await stub.deleteTenant(id));
        return jsonResponse({ object: 'tenant', id, deleted: true });
      },
    ],
    ...shared('/admin/tenants/:tenant', byOperator),
    ...shared('/v1/tenant', byTenant),
    [
      'DELETE',
      '/v1/tenant/answers',
      async (c) => {
        const { stub } = await byTenant(c);
        return jsonResponse({ object: 'answers', deleted: await stub.deleteAnswers() });
      },
    ],
  ];
}
