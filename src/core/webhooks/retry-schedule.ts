import { WEBHOOK_JITTER, WEBHOOK_RETRY_AFTER_MAX_SECONDS } from '../limits.ts';
import type { AttemptResult } from './attempt-result.ts';

const MINUTE = 60;
const HOUR = 60 * MINUTE;

/**
 * Seconds before each attempt, counted from the one before it: Standard Webhooks' schedule of ten attempts in 75 hours.
 */
export const RETRY_DELAYS_SECONDS = [
  0,
  5,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
] as const;

/** What follows an attempt. */
export type NextStep =
  | { kind: 'delivered' }
  /** No attempt is left. */
  | { kind: 'exhausted' }
  /** The receiver is gone and says so: nothing is sent there any more. */
  | { kind: 'disabled' }
  | { kind: 'wait'; seconds: number };

/**
 * What follows the attempt of this number.
 *
 * @param attempt 1 for the first.
 * @param random 0 to 1, drawn anew for each attempt.
 */
export function afterAttempt(attempt: number, result: AttemptResult, random: number): NextStep {
  if (result.kind === 'delivered') {
    return { kind: 'delivered' };
  }
  if (result.kind === 'gone') {
    return { kind: 'disabled' };
  }
  const delay = RETRY_DELAYS_SECONDS[attempt];
  if (delay === undefined) {
    return { kind: 'exhausted' };
  }
  const asked = Math.min(result.retryAfterSeconds ?? 0, WEBHOOK_RETRY_AFTER_MAX_SECONDS);
  return { kind: 'wait', seconds: Math.ceil(Math.max(delay * (1 + WEBHOOK_JITTER * random), asked)) };
}
