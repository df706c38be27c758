import { type Json, text } from '../../support/json-answer.ts';
import { env } from 'cloudflare:workers';
import { expect } from 'vitest';
import type { Deps } from '../../../worker/deps.ts';
import type { Config } from '../../../worker/env.ts';
import { sha256Hex } from '../../../worker/tenants/new-key.ts';
import type { Tenancy } from '../../../worker/tenants/tenancy.ts';
import type { FakeUpstream } from '../fake-upstream.ts';
import { type TestApp, testApp, testConfig } from '../test-app.ts';

export const OPERATOR_KEY = 'operator-key';
const hash = await sha256Hex(OPERATOR_KEY);
const operator = {
  listed: [{ id: 'operator', sha256: Uint8Array.from(hash.match(/../g) ?? [], (x) => parseInt(x, 16)) }],
  store: null,
};

export const TENANCY: Tenancy = {
  objects: env.TENANTS,
  keys: env.TENANT_KEYS,
  operator,
  gate: null,
  data: env.TENANT_DATA,
  uploads: env.UPLOADS,
  ownHost: null,
};

export interface TenantApp extends TestApp {
  /** A JSON request with a key; the answer's status and JSON. */
  call(
    key: string,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ status: number; json: Json; headers: Headers }>;
  /** A new tenant and its first key. */
  tenant(settings?: object): Promise<{ id: string; key: string }>;
}

/** The app with tenants, their objects in real workerd. */
export function tenantApp(
  upstream: Pick<FakeUpstream, 'fetch'>,
  {
    tenancy = {},
    config = {},
    deps = {},
  }: { tenancy?: Partial<Tenancy>; config?: Partial<Config>; deps?: Partial<Deps> } = {},
): TenantApp {
  const app = testApp(upstream, {
    config: testConfig({ keys: { listed: [], store: null }, tenancy: { ...TENANCY, ...tenancy }, ...config }),
    unixSeconds: () => Math.floor(Date.now() / 1000),
    ...deps,
  });
  const call: TenantApp['call'] = async (key, method, path, body) => {
    const response = await app.fetch(path, {
      method,
      headers: { authorization: `Bearer ${key}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
    return { status: response.status, json: (isJson ? JSON.parse(text) : { text }) as Json, headers: response.headers };
  };
  return {
    ...app,
    call,
    async tenant(settings = {}) {
      const id = `t-${crypto.randomUUID()}`;
      const made = await call(OPERATOR_KEY, 'POST', '/admin/tenants', { id, settings: { name: 'Test', ...settings } });
      expect(made.status, JSON.stringify(made.json)).toBe(201);
      return { id, key: text(made.json['key']?.['key']) };
    },
  };
}
