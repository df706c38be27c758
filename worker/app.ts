import type { Context, Hono } from 'hono';
import { type Model, model, modelList } from '../src/core/protocol/chat-response.ts';
import { RequestError } from '../src/core/protocol/failure.ts';
import { authorise } from './authorise.ts';
import { chatCompletions } from './chat-completions.ts';
import type { Deps } from './deps.ts';
import { docsPage } from './docs-page.ts';
import { imageTask } from './image-tasks.ts';
import { type ApiDescription, describeApi } from './openapi.ts';
import { servedModels } from './model-chain.ts';
import { playgroundRoutes } from './playground.ts';
import { createReadiness } from './readiness.ts';
import { responses } from './responses.ts';
import { serveMetrics } from './serve-metrics.ts';
import { addRoutes, type Env, openShell, type Route } from './shell.ts';
import { jsonResponse } from './sized-response.ts';
import { tenantRoutes } from './tenants/tenant-routes.ts';
import { TENANT_OPERATIONS } from './tenant-operations.ts';
import { answerOnce } from './tenants/answer-once.ts';
import { keyOwner, tenantOwner } from './owner.ts';
import { identifyTenant, type Tenant } from './tenants/identify-tenant.ts';
import { tenantUploads } from './uploads.ts';

export type App = Hono<Env>;

/** The route table. What holds for every route, errors and preflights above all, is in shell.ts. */
export function createApp(deps: Deps): App {
  const { config } = deps;
  let described: ApiDescription | undefined;
  const api = (): ApiDescription => (described ??= describeApi(config.tenancy === null ? [] : TENANT_OPERATIONS));
  const startedSeconds = deps.unixSeconds();
  const models = servedModels(config).map((name) => model(name, startedSeconds));
  const ready = createReadiness(deps);

  const app = openShell(deps);
  app.use('/v1/*', async function requireKey(c, next) {
    const { headers } = c.req.raw;
    if (config.tenancy === null) {
      const key = await authorise(headers, config.keys, deps.unixSeconds);
      c.var.request.record.note({ key });
      if (key !== null) {
        c.var.request.owner = keyOwner(key);
      }
    } else {
      const tenant = await identifyTenant(headers, config.tenancy, deps.unixSeconds);
      c.var.request.tenant = tenant;
      c.var.request.owner = tenantOwner(tenant.id, tenant.settings);
      c.var.request.uploads = tenantUploads(config.tenancy.uploads, tenant.id);
      c.var.request.record.note({ key: tenant.keyId });
    }
    await next();
  });

  const routes: Route[] = [
    ['POST', '/v1/chat/completions', (c) => once(c, () => chatCompletions(deps, c.var.request))],
    ['POST', '/v1/responses', (c) => once(c, () => responses(deps, c.var.request))],
    ['POST', '/v1/caption', (c) => once(c, () => imageTask('caption', c, deps, c.var.request))],
    ['POST', '/v1/ocr', (c) => once(c, () => imageTask('ocr', c, deps, c.var.request))],
    ['POST', '/v1/vqa', (c) => once(c, () => imageTask('vqa', c, deps, c.var.request))],
    ['GET', '/v1/models', (c) => jsonResponse(modelList(modelsFor(c.var.request.tenant)))],
    // A name may hold slashes, as Hugging Face's do.
    ['GET', '/v1/models/:model{.+}', (c) => jsonResponse(named(c.req.param('model') ?? '', c.var.request.tenant))],
    ['GET', '/openapi.json', () => jsonResponse(api())],
    ['GET', '/docs', () => docsPage(api())],
    ['GET', '/healthz', () => jsonResponse({ status: 'ok' })],
    [
      'GET',
      '/readyz',
      async (c) => {
        const report = await ready(c.var.request.waitUntil);
        return jsonResponse(report, { status: report.status === 'ready' ? 200 : 503 });
      },
    ],
    ['GET', '/metrics', (c) => serveMetrics(c.req.raw.headers, deps)],
    ...(config.tenancy === null ? [] : tenantRoutes(config.tenancy, deps)),
    ...(config.playground ? playgroundRoutes(deps) : []),
  ];
  addRoutes(app, routes);
  return app;

  /** A tenant may repeat a request without being answered, or billed, twice. */
  function once(c: Context<Env>, answer: () => Promise<Response>): Promise<Response> {
    const { tenancy } = config;
    const { tenant } = c.var.request;
    return tenancy === null || tenant === null
      ? answer()
      : answerOnce({ tenancy, tenant, context: c.var.request, newId: deps.newId }, answer);
  }

  /** A tenant sees its own models, under its own names. */
  function modelsFor(tenant: Tenant | null): Model[] {
    const own = tenant?.settings.models ?? null;
    return own === null ? models : Object.keys(own).map((name) => model(name, startedSeconds));
  }

  function named(name: string, tenant: Tenant | null): Model {
    const found = modelsFor(tenant).find(({ id }) => id === name);
    if (found === undefined) {
      throw new RequestError({ kind: 'model-not-found', model: name });
    }
    return found;
  }
}
