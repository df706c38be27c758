import { RequestError } from '../src/core/protocol/failure.ts';
import type { Log } from './deps.ts';

/** Logs what failed and where in the code; never what the request held. */
export function logFailure(log: Log, error: unknown, request: string): void {
  const cause = error instanceof RequestError ? error.cause : error;
  log({
    level: 'error',
    request,
    failure: error instanceof RequestError ? error.failure.kind : 'internal',
    message: error instanceof Error ? error.message : 'unknown',
    stack: cause instanceof Error ? (cause.stack ?? cause.message) : null,
  });
}
