import { join, resolve } from 'node:path';
import { freePort, startServer, type RunningServer } from './processes.ts';

const ROOT = resolve(import.meta.dirname, '..');
const ENDPOINT_START_TIMEOUT_MS = 60_000;
/** The first start of a checkout bundles the worker and may be slow on a small machine. */
const WORKER_START_TIMEOUT_MS = 120_000;

export const VORA = join(ROOT, 'bin/vora.mjs');

/** `vora serve` on a free port of 127.0.0.1. */
export async function startEndpoint(onnxFolder: string): Promise<RunningServer> {
  const port = await freePort();
  return startServer({
    name: 'endpoint',
    command: process.execPath,
    args: [VORA, 'serve', '--model', onnxFolder, '--port', String(port)],
    url: `http://127.0.0.1:${port}`,
    healthPath: '/health',
    timeoutMs: ENDPOINT_START_TIMEOUT_MS,
  });
}

export interface WorkerPlan {
  /** Name of the model, at the endpoint as towards clients. */
  model: string;
  edgeFolder: string;
  upstreamUrl: string;
  wire: 'image_embeds' | 'pixels' | 'original';
  /** Taken where it is free, else any free port. */
  preferredPort?: number;
  /** More variables of wrangler.toml, e.g. `SELF_TEST:require`. */
  vars?: string[];
}

/** The worker in real workerd by `wrangler dev`, open to this machine only. */
export async function startWorker(plan: WorkerPlan): Promise<RunningServer> {
  const port = await freePort(plan.preferredPort);
  const vars = [
    'AUTH:none',
    'BUNDLE_SOURCE:assets',
    `MODEL:${plan.model}`,
    `UPSTREAM_WIRE:${plan.wire}`,
    `UPSTREAM_URL:${plan.upstreamUrl}`,
    'UPSTREAM_SERVER:vora',
    ...(plan.vars ?? []),
  ];
  return startServer({
    name: 'worker',
    command: process.execPath,
    args: [
      join(ROOT, 'node_modules/wrangler/bin/wrangler.js'),
      'dev',
      '--config',
      join(ROOT, 'wrangler.toml'),
      '--assets',
      plan.edgeFolder,
      '--ip',
      '127.0.0.1',
      '--port',
      String(port),
      '--inspector-port',
      '0',
      '--log-level',
      'error',
      '--show-interactive-dev-session=false',
      ...vars.flatMap((value) => ['--var', value]),
    ],
    cwd: ROOT,
    env: { WRANGLER_SEND_METRICS: 'false', CI: '1' },
    url: `http://127.0.0.1:${port}`,
    healthPath: '/healthz',
    timeoutMs: WORKER_START_TIMEOUT_MS,
  });
}
