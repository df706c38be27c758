import { RequestError } from '../src/core/protocol/failure.ts';
import { authorise } from './authorise.ts';
import type { Deps } from './deps.ts';
import { PROMETHEUS_CONTENT_TYPE } from './prometheus.ts';
import { textResponse } from './sized-response.ts';

/** GET /metrics, for a self-hosted worker: a door of its own, shut unless the METRICS variable opens it. */
export async function serveMetrics(headers: Headers, { config, metrics, unixSeconds }: Deps): Promise<Response> {
  if (config.metrics === 'off') {
    throw new RequestError({ kind: 'not-found', method: 'GET', path: '/metrics' });
  }
  if (config.metrics !== 'open') {
    await authorise(headers, config.metrics, unixSeconds);
  }
  return textResponse(metrics.render(), {}, PROMETHEUS_CONTENT_TYPE);
}
