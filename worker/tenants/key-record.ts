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

/** A page of the tenants that exist, by their ids; KV may be up to a minute behind. */
export async function listTenantNames(
  namespace: KeyNamespace,
  { limit, cursor }: { limit: number; cursor: string | null },
): Promise<{ ids: string[]; next: string | null }> {
  const prefix = tenantName('');
  const page = await namespace.list({ prefix, limit, cursor });
  const ids = page.keys.map(({ name }) => name.slice(prefix.length));
  return { ids, next: page.list_complete ? null : page.cursor };
}

/** Null where there is no such key, or its record is not valid: then it opens nothing. */
export async function findKeyRecord(namespace: KeyNamespace, keyId: string): Promise<KeyRecord | null> {
  const found: unknown = await namespace.get(recordName(keyId), { type: 'json', cacheTtl: TENANT_KEY_CACHE_SECONDS });
  const parsed = keyRecord.safeParse(found);
  return parsed.success ? parsed.data : null;
}
