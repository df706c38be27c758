import { type Context, Hono } from 'hono';
import { requestId, type RequestIdVariables } from 'hono/request-id';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { model, modelList } from '../core/protocol/chat-response.ts';
import { RequestError, toWireError } from '../core/protocol/failure.ts';
import { requireApiKey } from './api-key.ts';
import { type ChatParts, completeChat } from './chat-completions.ts';
import { reportFailure } from './report-failure.ts';

interface AppOptions {
  /** Asked of every /v1 request when given. */
  apiKey?: string;
  /** Unix time in seconds at which the model was loaded. */
  created: number;
}

type Env = { Variables: RequestIdVariables };

/** The HTTP surface: routes, the key, and the one place where errors become responses. */
export function createApp(parts: ChatParts, { apiKey, created }: AppOptions): Hono<Env> {
  const app = new Hono<Env>();
  const { name } = parts.artifact.manifest;

  app.use(requestId());
  app.use('/v1/*', async function authorise(c, next) {
    if (apiKey !== undefined) {
      requireApiKey(c.req.raw, apiKey);
    }
    await next();
  });

  app.get('/health', (c) => c.json({ status: 'ok', model: name, ...parts.engine.counts() }));
  app.get('/v1/models', (c) => c.json(modelList([model(name, created)])));
  // A name may hold slashes, as Hugging Face's do.
  app.get('/v1/models/:id{.+}', (c) => {
    if (c.req.param('id') !== name) {
      throw new RequestError({ kind: 'model-not-found', model: c.req.param('id') });
    }
    return c.json(model(name, created));
  });
  app.post('/v1/chat/completions', async (c) => {
    const response = await completeChat(c.req.raw, c.var.requestId, parts);
    // Through the context, which adds the request id.
    return c.newResponse(response.body, response);
  });

  for (const [path, allow] of [
    ['/health', 'GET, HEAD'],
    ['/v1/models/*', 'GET, HEAD'],
    ['/v1/chat/completions', 'POST'],
  ] as const) {
    app.all(path, (c) => {
      c.header('allow', allow);
      throw new RequestError({ kind: 'method-not-allowed', method: c.req.method, path: c.req.path });
    });
  }
  app.notFound((c) => {
    throw new RequestError({ kind: 'not-found', method: c.req.method, path: c.req.path });
  });
  app.onError(respondWithError);
  return app;
}

function respondWithError(error: Error, c: Context<Env>): Response {
  if (c.req.raw.signal.aborted) {
    // Nobody is left to read it; nginx's status for that.
    return new Response(null, { status: 499 });
  }
  const { status, body, retryAfterSeconds } = toWireError(reportFailure(error, c.var.requestId));
  if (retryAfterSeconds !== undefined) {
    c.header('retry-after', String(retryAfterSeconds));
  }
  return c.body(JSON.stringify(body), {
    status: status as ContentfulStatusCode,
    headers: { 'content-type': 'application/json' },
  });
}
