import { type Context, Hono } from 'hono';
import { cors } from 'hono/cors';
import { RequestError } from '../src/core/protocol/failure.ts';
import { WIRE_HEADER } from '../src/core/upstream/wire-header.ts';
import { ATTEMPTS_HEADER } from '../src/core/upstream/attempts-header.ts';
import { errorResponse } from './error-response.ts';
import { CACHE_HEADER } from './tenants/answer-cache.ts';
import { REPLAYED_HEADER } from './tenants/idempotency.ts';
import { openRequest, type RequestContext, type RequestSeams } from './request-context.ts';

export interface Env {
  Variables: { request: RequestContext };
}

type Method = 'GET' | 'POST' | 'DELETE';
export type Route = [method: Method, path: string, answer: (c: Context<Env>) => Response | Promise<Response>];

const ID_HEADER = 'x-request-id';
/** An id that the client may give its request; it goes to logs and upstream. */
const GIVEN_ID = /^[\w=-]{1,64}$/;
/** What a browser's script may read beside the usual headers. */
const EXPOSED_HEADERS = [
  ID_HEADER,
  'server-timing',
  'retry-after',
  'retry-after-ms',
  'x-should-retry',
  ATTEMPTS_HEADER,
  WIRE_HEADER,
  REPLAYED_HEADER,
  CACHE_HEADER,
  ...['requests', 'tokens'].flatMap((of) => ['limit', 'remaining', 'reset'].map((what) => `x-ratelimit-${what}-${of}`)),
];
/** Where something may be deleted. */
const HAS_DELETE = /^\/(v1\/(jobs|tenant)|admin)\//;
const PREFLIGHT_MAX_AGE_SECONDS = 86_400;
const FOR_BROWSERS = [
  ['access-control-allow-origin', '*'],
  ['access-control-expose-headers', EXPOSED_HEADERS.join()],
] as const;

/**
 * What every response has, whichever route or error it comes from: a request id, CORS, an OpenAI error object where it
 * is an error, and one outcome that is recorded when its last byte is written.
 */
export function openShell(seams: RequestSeams): Hono<Env> {
  const app = new Hono<Env>();
  app.use(async function recordOutcome(c, next) {
    const given = c.req.header(ID_HEADER) ?? '';
    const id = GIVEN_ID.test(given) ? given : seams.newId();
    // Set once there is a response: Hono would make one to hold them, and copy them, and the response, when there is.
    const headers = new Map<string, string>([[ID_HEADER, id], ...FOR_BROWSERS]);
    const request = openRequest(c.req.raw, id, seams, {
      waitUntil: (work) => c.executionCtx.waitUntil(work),
      header: (name, value) => headers.set(name, value),
    });
    c.set('request', request);
    await next();
    for (const [name, value] of headers) {
      c.res.headers.set(name, value);
    }
    closeRecord(c, request);
  });
  const answerPreflight = cors({
    origin: '*',
    allowMethods: (_, c) => (HAS_DELETE.test(c.req.path) ? ['GET', 'POST', 'DELETE'] : ['GET', 'POST']),
    maxAge: PREFLIGHT_MAX_AGE_SECONDS,
  });
  // Only a real preflight is answered without a key; any other OPTIONS request is an unknown method.
  app.use((c, next) => (isPreflight(c) ? answerPreflight(c, next) : next()));
  app.notFound((c) => {
    throw new RequestError({ kind: 'not-found', method: c.req.method, path: c.req.path });
  });
  app.onError((error) => errorResponse(error));
  return app;
}

/** Adds routes; for methods that a path has none for, it answers 405. */
export function addRoutes(app: Hono<Env>, routes: readonly Route[]): void {
  const allowed = new Map<string, Method[]>();
  for (const [method, path, answer] of routes) {
    allowed.set(path, [...(allowed.get(path) ?? []), method]);
    app.on(method, path, (c) => {
      c.var.request.record.note({ route: path });
      return answer(c);
    });
  }
  for (const [path, methods] of allowed) {
    app.all(path, (c) => {
      c.var.request.record.note({ route: path });
      c.var.request.header(
        'allow',
        methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).join(', '),
      );
      throw new RequestError({ kind: 'method-not-allowed', method: c.req.method, path: c.req.path });
    });
  }
}

/** Ends the record of a request whose answer is whole; a stream's record ends with the stream. */
function closeRecord(c: Context<Env>, { record, signal }: RequestContext): void {
  const { status, headers } = c.res;
  if (c.error === undefined && headers.get('content-type')?.startsWith('text/event-stream') === true) {
    return;
  }
  const bytes = Number(headers.get('content-length') ?? 0);
  if (signal.aborted) {
    record.close({ how: 'left' }, 0);
  } else if (c.error !== undefined) {
    record.close({ how: 'failed', status, error: c.error }, bytes);
  } else {
    record.close({ how: 'answered', status }, bytes);
  }
}

function isPreflight(c: Context): boolean {
  return c.req.method === 'OPTIONS' && c.req.header('access-control-request-method') !== undefined;
}
