import * as z from 'zod';
import { type ApiKeys, listedKeys } from '../api-keys.ts';
import type { KeyNamespace } from './key-record.ts';
import type { TenantObject } from './tenant-object.ts';

/** Everything that serving tenants takes from the deployment. */
export interface Tenancy {
  objects: DurableObjectNamespace<TenantObject>;
  keys: KeyNamespace;
  /** Who may make tenants. */
  operator: ApiKeys;
  /** The first, inexact gate: per location, without a call of the tenant's object. Null lets all pass. */
  gate: Pick<RateLimit, 'limit'> | null;
  /** Payloads and results of jobs. */
  data: R2Bucket;
  /** What tenants upload, each under its own id. */
  uploads: R2Bucket;
  /** Name under which this worker is reached; it calls no webhook there. */
  ownHost: string | null;
}

const binding = <Type>() =>
  z.custom<Type>((value) => typeof value === 'object' && value !== null, 'expected the binding');

/** The variables and bindings of `AUTH = "tenants"`. */
export const tenancyVariables = z
  .object({
    AUTH: z.literal('tenants'),
    TENANTS: binding<DurableObjectNamespace<TenantObject>>(),
    TENANT_KEYS: binding<KVNamespace>(),
    ADMIN_KEY_SHA256: listedKeys,
    TENANT_GATE: binding<RateLimit>().optional(),
    TENANT_DATA: binding<R2Bucket>(),
    UPLOADS: binding<R2Bucket>(),
    JOBS: binding<Workflow>(),
    DELIVERIES: binding<Workflow>(),
    OWN_HOST: z.string().default(''),
  })
  .transform(({ TENANTS, TENANT_KEYS, ADMIN_KEY_SHA256, TENANT_GATE, TENANT_DATA, UPLOADS, OWN_HOST }): Tenancy => ({
    objects: TENANTS,
    keys: TENANT_KEYS,
    operator: { listed: ADMIN_KEY_SHA256, store: null },
    gate: TENANT_GATE ?? null,
    data: TENANT_DATA,
    uploads: UPLOADS,
    ownHost: OWN_HOST === '' ? null : OWN_HOST,
  }));

export type TenantStub = DurableObjectStub<TenantObject>;

/** A tenant's object. Its name is the tenant's id: no other tenant's id leads to it. */
export function tenantStub({ objects }: Pick<Tenancy, 'objects'>, tenant: string): TenantStub {
  return objects.get(objects.idFromName(tenant));
}
