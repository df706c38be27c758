import { createApp, type App } from './app.ts';
import { createDeps } from './deps.ts';
import { errorResponse } from './error-response.ts';

/** Per isolate: the configuration never changes while an isolate lives, and the loaded model is shared by its requests. */
let app: App | undefined;

export default {
  fetch(request, env, ctx) {
    try {
      app ??= createApp(createDeps(env));
    } catch (error) {
      return errorResponse(error);
    }
    return app.fetch(request, env, ctx);
  },
} satisfies ExportedHandler<Env>;
