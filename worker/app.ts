import { Hono, type Context } from 'hono';
import { cors } from 'hono/cors';
import { requestId, type RequestIdVariables } from 'hono/request-id';
import { model, modelList } from '../src/core/protocol/chat-response.ts';
import { RequestError } from '../src/core/protocol/failure.ts';
import { authorise } from './authorise.ts';
import { chatCompletions } from './chat-completions.ts';
import type { Deps } from './deps.ts';
import { errorResponse } from './error-response.ts';
import { logFailure } from './log-failure.ts';
import { playgroundRoutes } from './playground.ts';

export type App = Hono<{ Variables: RequestIdVariables }>;

const ROUTES = [
  { method: 'POST', path: '/v1/chat/completions' },
  { method: 'GET', path: '/v1/models' },
  { method: 'GET', path: '/v1/models/:model{.+}' },
  { method: 'GET', path: '/healthz' },
] as const;

/** The route table. Every failure below it, 404 and 405 included, leaves as an OpenAI error object. */
export function createApp(deps: Deps): App {
  const { config } = deps;
  const app: App = new Hono();
  const created = deps.unixSeconds();
  const theModel = model(config.model, created);

  app.use(requestId({ generator: () => deps.newId(), limitLength: 64 }));
  const allowBrowsers = cors({
    origin: '*',
    allowMethods: ['GET', 'POST'],
    exposeHeaders: ['x-request-id', 'server-timing', 'retry-after'],
    maxAge: 86_400,
  });
  // Only a real preflight is answered without a key; any other OPTIONS request is an unknown method.
  app.use((c, next) => (isPreflight(c) || c.req.method !== 'OPTIONS' ? allowBrowsers(c, next) : next()));

  app.post('/v1/chat/completions', (c) =>
    chatCompletions(c.req.raw, deps, {
      requestId: c.var.requestId,
      waitUntil: (work) => c.executionCtx.waitUntil(work),
    }),
  );
  app.get('/v1/models', async (c) => {
    await authorise(c.req.raw.headers, config.keySha256);
    return c.json(modelList([theModel]));
  });
  app.get('/v1/models/:model{.+}', async (c) => {
    await authorise(c.req.raw.headers, config.keySha256);
    const name = c.req.param('model');
    if (name !== config.model) {
      throw new RequestError({ kind: 'model-not-found', model: name });
    }
    return c.json(theModel);
  });
  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  const playground = config.playground ? playgroundRoutes(deps) : [];
  for (const [method, path, answer] of playground) {
    app.on(method, path, (c) => answer(c.req.raw));
  }

  for (const { method, path } of [...ROUTES, ...playground.map(([method, path]) => ({ method, path }))]) {
    app.all(path, (c) => {
      c.header('allow', method);
      throw new RequestError({ kind: 'method-not-allowed', method: c.req.method, path: c.req.path });
    });
  }
  app.notFound((c) => errorResponse(new RequestError({ kind: 'not-found', method: c.req.method, path: c.req.path })));
  app.onError((error, c) => {
    const response = errorResponse(error);
    if (response.status >= 500) {
      logFailure(deps.log, error, c.var.requestId);
    }
    return response;
  });
  return app;
}

function isPreflight(c: Context): boolean {
  return c.req.method === 'OPTIONS' && c.req.header('access-control-request-method') !== undefined;
}
