import { createDeps, createWorld, type Deps } from './deps.ts';
import type { Tenancy } from './tenants/tenancy.ts';
import { misconfigured } from './variables.ts';

let deps: Deps | undefined;

/**
 * What requests and Workflows of this isolate share: the configuration never changes while it lives, and the loaded model
 * is one. Throws RequestError `misconfigured`, each time anew.
 */
export function depsOf(env: object): Deps {
  return (deps ??= createDeps(env, createWorld()));
}

/** @throws RequestError `misconfigured` */
export function tenancyOf({ config }: Deps): Tenancy {
  if (config.tenancy === null) {
    throw misconfigured('AUTH: expected "tenants" for jobs and webhooks');
  }
  return config.tenancy;
}
