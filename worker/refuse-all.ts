import type { App } from './app.ts';
import type { World } from './deps.ts';
import { logLine } from './log-line.ts';
import type { ReadinessReport } from './readiness.ts';
import { addRoutes, openShell } from './shell.ts';
import { jsonResponse } from './sized-response.ts';

const UNREADY: ReadinessReport = { status: 'unready', checks: { configuration: 'failed' }, upstreams: {} };

/** Answers every request with what is wrong with the configuration, and lives: a restart would not heal it. */
export function refuseAll(error: unknown, world: World): App {
  const app = openShell({ ...world, record: (outcome) => world.log(logLine(outcome)) });
  addRoutes(app, [
    ['GET', '/healthz', () => jsonResponse({ status: 'ok' })],
    ['GET', '/readyz', () => jsonResponse(UNREADY, { status: 503 })],
  ]);
  app.all('*', () => {
    throw error;
  });
  return app;
}
