import * as z from 'zod';
import { TENANT_KEY_CACHE_SECONDS } from '../../src/core/limits.ts';
import { SCOPES, tenantId, tenantSettings } from '../../src/core/tenants/settings.ts';

/**
 * What KV holds for each key of a tenant, so that most requests need nothing else: `tenant-key:ID` → this. The tenant's
 * object is the truth and writes it; KV may be some seconds behind.
 */
export const keyRecord = z.object({
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  tenant: tenantId,
  scopes: z.array(z.enum(SCOPES)),
  /** Unix time in seconds from which the key is refused, or null. */
  expires: z.number().nullable(),
  settings: tenantSettings,
});
export type KeyRecord = z.output<typeof keyRecord>;

export type KeyNamespace = Pick<KVNamespace, 'get' | 'put' | 'delete' | 'list'>;

export function recordName(keyId: string): string {
  return `tenant-key:${keyId}`;
}

/** That a tenant exists, for routes without a key: asking its object would make one for any name. */
export function tenantName(tenant: string): string {
  return `tenant:${tenant}`;
}

/** What a list of tenants shows of one, without asking its object: the record's metadata. */
export const tenantFacts = z.object({ name: z.string(), created: z.number() });

export async function putTenant(
  namespace: Pick<KVNamespace, 'put'>,
  tenant: string,
  facts: z.output<typeof tenantFacts>,
): Promise<void> {
  await namespace.put(tenantName(tenant), '{}', { metadata: facts });
}

/** Null where there is no such key, or its record is not valid: then it opens nothing. */
export async function findKeyRecord(namespace: KeyNamespace, keyId: string): Promise<KeyRecord | null> {
  const found: unknown = await namespace.get(recordName(keyId), { type: 'json', cacheTtl: TENANT_KEY_CACHE_SECONDS });
  const parsed = keyRecord.safeParse(found);
  return parsed.success ? parsed.data : null;
}
