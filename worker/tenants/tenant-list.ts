import * as z from 'zod';
import { TENANTS_PAGE_MAX } from '../../src/core/limits.ts';
import { type KeyNamespace, tenantFacts, tenantName } from './key-record.ts';

export const listTenantsQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(TENANTS_PAGE_MAX).default(TENANTS_PAGE_MAX),
  cursor: z.string().max(1024).nullable().default(null).describe('`next_cursor` of the page before'),
});

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
