import { QUEUE_DELAY_MAX_SECONDS } from '../../src/core/limits.ts';
import { toWireError } from '../../src/core/protocol/failure.ts';
import type { Deps } from '../deps.ts';
import { failureOf, isRetryable } from '../error-response.ts';
import type { Tenancy } from '../tenants/tenancy.ts';
import { takeUpload } from './take-upload.ts';

/** Each notification for itself: one that fails does not hold up the others. */
export async function consumeUploads(
  batch: MessageBatch,
  deps: Pick<Deps, 'config' | 'log'>,
  tenancy: Tenancy,
): Promise<void> {
  for (const message of batch.messages) {
    try {
      const taken = await takeUpload(message.body, deps, tenancy);
      if (taken.kind === 'later') {
        message.retry({ delaySeconds: Math.min(taken.seconds, QUEUE_DELAY_MAX_SECONDS) });
      } else {
        message.ack();
      }
    } catch (error) {
      const failure = failureOf(error);
      deps.log({
        level: 'error',
        event: 'upload',
        message_id: message.id,
        failure: toWireError(failure).body.error.code,
      });
      if (failure.kind === 'internal' || isRetryable(failure)) {
        message.retry();
      } else {
        message.ack();
      }
    }
  }
}
