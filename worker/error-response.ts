import { RequestError, toWireError, type Failure, type OpenAIError } from '../src/core/protocol/failure.ts';
import { jsonResponse } from './sized-response.ts';

/** What a thrown thing tells the client. Anything that is no RequestError is a bug: its text stays in the log. */
export function failureOf(error: unknown): Failure {
  return error instanceof RequestError
    ? error.failure
    : { kind: 'internal', message: 'The worker failed; see its log' };
}

export function errorBody(error: unknown): OpenAIError {
  return toWireError(failureOf(error)).body;
}

/** The one way an error leaves as a response. */
export function errorResponse(error: unknown): Response {
  const failure = failureOf(error);
  const { status, body, retryAfterSeconds } = toWireError(failure);
  const response = jsonResponse(body, { status });
  // Told on every error: openai-node retries any 5xx and 409 by itself; a wrong setting does not heal in half a second.
  response.headers.set('x-should-retry', String(isRetryable(failure)));
  if (retryAfterSeconds !== undefined) {
    response.headers.set('retry-after', String(Math.ceil(retryAfterSeconds)));
    response.headers.set('retry-after-ms', String(Math.ceil(retryAfterSeconds * 1000)));
  }
  return response;
}

/** Whether the same request may succeed a moment later; decided here and nowhere else. */
export function isRetryable(failure: Failure): boolean {
  if (failure.kind === 'upstream-rejected') {
    return failure.status >= 500;
  }
  if (failure.kind === 'rate-limited' || failure.kind === 'in-progress') {
    return true;
  }
  return toWireError(failure).status >= 500 && failure.kind !== 'misconfigured' && failure.kind !== 'upstream-blind';
}
