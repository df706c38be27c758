import type { Failure } from '../../src/core/protocol/failure.ts';
import type { Reserved } from '../../src/core/tenants/account.ts';

export function quotaRefusal({ quota, retryAfterSeconds }: Extract<Reserved, { kind: 'refused' }>): Failure {
  const message = `The quota of ${quota.limit} ${quota.of} per ${quota.per} does not hold this request`;
  return { kind: 'quota-exceeded', message, retryAfterSeconds };
}
