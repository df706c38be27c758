import { RATE_GATE_PERIOD_SECONDS } from '../../src/core/limits.ts';
import { RequestError } from '../../src/core/protocol/failure.ts';
import type { Scope, TenantSettings } from '../../src/core/tenants/settings.ts';
import { keyId } from '../api-keys.ts';
import { bearerKey } from '../authorise.ts';
import { findKeyRecord } from './key-record.ts';
import { type Tenancy, type TenantStub, tenantStub } from './tenancy.ts';

/** For whom a request is. */
export interface Tenant {
  id: string;
  /** Public name of the key. */
  keyId: string;
  scopes: readonly Scope[];
  /** As KV has them; some seconds old at most. */
  settings: TenantSettings;
  stub: TenantStub;
}

/**
 * Finds whose key a request has, by one read of KV; then the first gate.
 *
 * @throws RequestError `unauthorized`, `rate-limited`
 */
export async function identifyTenant(headers: Headers, tenancy: Tenancy, unixSeconds: () => number): Promise<Tenant> {
  const key = bearerKey(headers);
  const id = keyId(key);
  const record = id === null ? null : await findKeyRecord(tenancy.keys, id);
  const found = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(key));
  const expected = Uint8Array.from(record?.sha256.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  const isValid =
    record !== null &&
    expected.byteLength === found.byteLength &&
    crypto.subtle.timingSafeEqual(found, expected) &&
    (record.expires === null || record.expires > unixSeconds());
  if (id === null || !isValid) {
    throw new RequestError({ kind: 'unauthorized', message: 'The API key is not valid' });
  }
  const { tenant, scopes, settings } = record;
  if (tenancy.gate !== null && !(await tenancy.gate.limit({ key: tenant })).success) {
    throw new RequestError({ kind: 'rate-limited', retryAfterSeconds: RATE_GATE_PERIOD_SECONDS });
  }
  return { id: tenant, keyId: id, scopes, settings, stub: tenantStub(tenancy, tenant) };
}

/** @throws RequestError `forbidden` */
export function requireScope({ scopes }: Pick<Tenant, 'scopes'>, scope: Scope): void {
  if (!scopes.includes(scope)) {
    throw new RequestError({ kind: 'forbidden', message: `This API key lacks the scope '${scope}'` });
  }
}
