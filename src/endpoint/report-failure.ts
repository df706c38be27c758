import { type Failure, RequestError } from '../core/protocol/failure.ts';

/** What a client is told of an error. The operator is told the rest: on stderr, when the fault is not the client's. */
export function reportFailure(error: unknown, requestId: string): Failure {
  const failure: Failure =
    error instanceof RequestError ? error.failure : { kind: 'internal', message: 'The endpoint failed' };
  if (failure.kind === 'internal' || failure.kind === 'misconfigured') {
    console.error(`request ${requestId}:`, error);
  }
  return failure;
}
