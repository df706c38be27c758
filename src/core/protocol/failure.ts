/**
 * Every way a request can fail, as one union, and its one mapping to the wire.
 *
 * `param` names the field or part at fault in the client's own terms, e.g. `messages[0].content[1].image_url.url`.
 * Messages that reach a client say what was found and what was expected; they never carry keys, prompts or image bytes.
 * `said` holds upstream's own words. It may repeat what it was sent, so they go to the client and to no log.
 */
export type Failure =
  | { kind: 'invalid-request'; param: string | null; message: string; code?: string; said?: string }
  | { kind: 'unauthorized'; message: string }
  | { kind: 'forbidden'; message: string }
  | { kind: 'model-not-found'; model: string }
  | { kind: 'no-such-resource'; what: string; id: string }
  | { kind: 'conflict'; code: string; message: string }
  | { kind: 'in-progress'; message: string; retryAfterSeconds: number }
  | { kind: 'rate-limited'; retryAfterSeconds: number }
  | { kind: 'quota-exceeded'; message: string; retryAfterSeconds: number }
  | { kind: 'not-found'; method: string; path: string }
  | { kind: 'method-not-allowed'; method: string; path: string }
  | { kind: 'body-too-large'; limitBytes: number }
  | { kind: 'unsupported-media-type'; expected: string }
  | { kind: 'unsupported-image'; param: string; message: string }
  | { kind: 'invalid-image'; param: string; message: string }
  | { kind: 'image-too-large'; param: string; message: string }
  | { kind: 'image-unreachable'; param: string; message: string }
  | { kind: 'context-too-long'; promptTokens: number; limitTokens: number }
  | { kind: 'vision-mismatch'; expected: string; found: string }
  | { kind: 'upstream-unreachable'; message: string }
  | { kind: 'upstream-rejected'; status: number; message: string; said?: string; retryAfterSeconds?: number }
  | { kind: 'upstream-broke'; message: string; said?: string }
  | { kind: 'upstream-timeout'; message: string }
  | { kind: 'upstream-unavailable'; retryAfterSeconds: number }
  | { kind: 'upstream-blind'; message: string }
  | { kind: 'overloaded'; retryAfterSeconds: number }
  | { kind: 'misconfigured'; message: string }
  | { kind: 'internal'; message: string };

/** OpenAI's error object; all four keys are required by its published schema. */
export interface OpenAIError {
  error: { message: string; type: string; param: string | null; code: string | null };
}

export interface WireError {
  status: number;
  body: OpenAIError;
  retryAfterSeconds?: number;
}

/** Thrown anywhere below a route; the route's one error handler turns it into a response. */
export class RequestError extends Error {
  readonly failure: Failure;
  constructor(failure: Failure, options?: { cause?: unknown }) {
    super('message' in failure ? failure.message : failure.kind, options);
    this.name = 'RequestError';
    this.failure = failure;
  }
}

/** The one mapping from a failure to status and body. A bad request is 400, never 422: some clients retry a 422. */
export function toWireError(failure: Failure): WireError {
  switch (failure.kind) {
    case 'invalid-request':
      return wire(400, 'invalid_request_error', failure.code ?? null, spoken(failure), failure.param);
    case 'unauthorized':
      return wire(401, 'invalid_request_error', 'invalid_api_key', failure.message);
    case 'model-not-found':
      return wire(
        404,
        'invalid_request_error',
        'model_not_found',
        `The model '${failure.model}' does not exist`,
        'model',
      );
    case 'forbidden':
      return wire(403, 'invalid_request_error', 'forbidden', failure.message);
    case 'no-such-resource':
      return wire(404, 'invalid_request_error', 'not_found', `There is no ${failure.what} '${failure.id}'`);
    case 'conflict':
      return wire(409, 'invalid_request_error', failure.code, failure.message);
    case 'in-progress':
      return {
        ...wire(409, 'invalid_request_error', 'request_in_progress', failure.message),
        retryAfterSeconds: failure.retryAfterSeconds,
      };
    case 'rate-limited':
      return {
        ...wire(429, 'requests', 'rate_limit_exceeded', 'Too many requests at once'),
        retryAfterSeconds: failure.retryAfterSeconds,
      };
    case 'quota-exceeded':
      return {
        ...wire(429, 'insufficient_quota', 'insufficient_quota', failure.message),
        retryAfterSeconds: failure.retryAfterSeconds,
      };
    case 'not-found':
      return wire(404, 'invalid_request_error', 'not_found', `No route for ${failure.method} ${failure.path}`);
    case 'method-not-allowed':
      return wire(
        405,
        'invalid_request_error',
        'method_not_allowed',
        `${failure.path} does not take ${failure.method}`,
      );
    case 'body-too-large':
      return wire(
        413,
        'invalid_request_error',
        'body_too_large',
        `The request body is larger than ${failure.limitBytes} bytes`,
      );
    case 'unsupported-media-type':
      return wire(
        415,
        'invalid_request_error',
        'unsupported_media_type',
        `Send the body as ${failure.expected}`,
        'content-type',
      );
    case 'unsupported-image':
      return wire(415, 'invalid_request_error', 'unsupported_image', failure.message, failure.param);
    case 'invalid-image':
      return wire(400, 'invalid_request_error', 'invalid_image', failure.message, failure.param);
    case 'image-too-large':
      return wire(413, 'invalid_request_error', 'image_too_large', failure.message, failure.param);
    case 'image-unreachable':
      return wire(400, 'invalid_request_error', 'invalid_image_url', failure.message, failure.param);
    case 'context-too-long':
      return wire(
        400,
        'invalid_request_error',
        'context_length_exceeded',
        `The prompt has ${failure.promptTokens} tokens; this model takes ${failure.limitTokens}, the answer included`,
        'messages',
      );
    case 'vision-mismatch':
      return wire(
        409,
        'invalid_request_error',
        'vision_mismatch',
        `Images were made ready for ${failure.found}; this model has ${failure.expected}`,
      );
    case 'upstream-unreachable':
      return wire(502, 'server_error', 'upstream_unreachable', failure.message);
    case 'upstream-rejected':
      return {
        ...wire(502, 'server_error', 'upstream_rejected', spoken(failure)),
        ...(failure.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: failure.retryAfterSeconds }),
      };
    case 'upstream-broke':
      return wire(502, 'server_error', 'upstream_broke', spoken(failure));
    case 'upstream-timeout':
      return wire(504, 'server_error', 'upstream_timeout', failure.message);
    case 'upstream-unavailable':
      return {
        ...wire(503, 'server_error', 'upstream_unavailable', 'No model server is available now'),
        retryAfterSeconds: failure.retryAfterSeconds,
      };
    case 'upstream-blind':
      return wire(502, 'server_error', 'upstream_blind', failure.message);
    case 'overloaded':
      return {
        ...wire(503, 'server_error', 'overloaded', 'All slots are busy'),
        retryAfterSeconds: failure.retryAfterSeconds,
      };
    case 'misconfigured':
      return wire(500, 'server_error', 'misconfigured', failure.message);
    case 'internal':
      return wire(500, 'server_error', 'internal_error', failure.message);
  }
}

/** Our words, then upstream's. */
function spoken({ message, said }: { message: string; said?: string }): string {
  return said === undefined ? message : `${message}: ${said}`;
}

function wire(
  status: number,
  type: string,
  code: string | null,
  message: string,
  param: string | null = null,
): WireError {
  return { status, body: { error: { message, type, param, code } } };
}
