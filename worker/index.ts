import { createApp, type App } from './app.ts';
import { createWorld } from './deps.ts';
import { depsOf, tenancyOf } from './isolate-deps.ts';
import { consumeUploads } from './jobs/consume-uploads.ts';
import { refuseAll } from './refuse-all.ts';

export { JobWorkflow } from './jobs/job-workflow.ts';
export { TenantObject } from './tenants/tenant-object.ts';
export { DeliveryWorkflow } from './webhooks/delivery-workflow.ts';

/** Per isolate: the configuration never changes while an isolate lives, and the loaded model is shared by its requests. */
let app: App | undefined;

export default {
  fetch(request, env, ctx) {
    app ??= openApp(env);
    return app.fetch(request, env, ctx);
  },
  /** Notifications of uploads. */
  async queue(batch, env) {
    const deps = depsOf(env);
    await consumeUploads(batch, deps, tenancyOf(deps));
  },
} satisfies ExportedHandler<Env>;

/** A worker that is configured wrongly still answers, and says what is wrong. */
function openApp(env: Env): App {
  try {
    return createApp(depsOf(env));
  } catch (error) {
    return refuseAll(error, createWorld());
  }
}
