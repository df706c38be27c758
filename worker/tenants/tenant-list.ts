import type * as z from 'zod';
import type { listTenantsQuery } from './admin-requests.ts';
import { type KeyNamespace, tenantFacts, tenantName } from './key-record.ts';

export interface TenantPage {
  tenants: { id: string; name: string | null; created: number | null }[];
  next: string | null;
}

/** A page of all tenants by their ids, as KV knows them: a minute behind at most. */
export async function listTenants(
  keys: Pick<KeyNamespace, 'list'>,
  { limit, cursor }: z.output<typeof listTenantsQuery>,
): Promise<TenantPage> {
  const prefix = tenantName('');
  const page = await keys.list({ prefix, limit, cursor });
  return {
    tenants: page.keys.map(({ name, metadata }) => ({
      id: name.slice(prefix.length),
      ...(tenantFacts.safeParse(metadata).data ?? { name: null, created: null }),
    })),
    next: page.list_complete ? null : page.cursor,
  };
}
