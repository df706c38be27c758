import type { TenantSettings } from '../src/core/tenants/settings.ts';

/** Whose request it is: what is remembered between requests is remembered of them alone. */
export interface Owner {
  /** Of no other key or tenant. */
  name: string;
  /** How long anything may be kept of what they send, where they say. */
  retentionSeconds: number | null;
}

/** Whoever asks a worker that asks for no key. */
export const ANYBODY: Owner = { name: 'anybody', retentionSeconds: null };

/** Whoever has a key of that name. */
export function keyOwner(name: string): Owner {
  return { name: `key ${name}`, retentionSeconds: null };
}

/** A tenant, whichever key they use. */
export function tenantOwner(id: string, { retentionSeconds }: Pick<TenantSettings, 'retentionSeconds'>): Owner {
  return { name: `tenant ${id}`, retentionSeconds };
}
