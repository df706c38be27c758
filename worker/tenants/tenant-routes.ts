import type { Deps } from '../deps.ts';
import { jobRoutes } from '../jobs/job-routes.ts';
import type { Route } from '../shell.ts';
import { webhookRoutes } from '../webhooks/webhook-routes.ts';
import { adminRoutes } from './admin-routes.ts';
import type { Tenancy } from './tenancy.ts';

/** Everything that there is only where tenants are served. */
export function tenantRoutes(tenancy: Tenancy, deps: Pick<Deps, 'config' | 'newId' | 'unixSeconds'>): Route[] {
  return [...jobRoutes(tenancy, deps), ...webhookRoutes(tenancy), ...adminRoutes(tenancy, deps)];
}
