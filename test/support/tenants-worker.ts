/**
 * The built worker with tenants, jobs and webhooks in real workerd, its storage in a folder, as a process of its own that
 * a test may kill: `node tenants-worker.ts PLAN`, where PLAN is a JSON file of {@link TenantsWorkerPlan}.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';

export interface TenantsWorkerPlan {
  /** Folder of index.js and its wasm modules. */
  modules: string[];
  folder: string;
  storage: string;
  port: number;
  /** Where https://receiver.example/ and https://images.example/ lead. */
  hostsUrl: string;
  edgeFolder: string | null;
  bindings: Record<string, string | number>;
  /** Opens workerd's inspector at any free port. */
  inspected?: true;
}

if (import.meta.main) {
  const planFile = process.argv[2] ?? '';
  await startTenantsWorker(JSON.parse(await readFile(planFile, 'utf8')) as TenantsWorkerPlan);
  // Whoever started it is gone.
  process.stdin.resume().on('end', () => process.exit());
}

export async function startTenantsWorker({
  modules,
  folder,
  storage,
  port,
  hostsUrl,
  edgeFolder,
  bindings,
  inspected,
}: TenantsWorkerPlan): Promise<Miniflare> {
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: '127.0.0.1',
      port,
      ...(inspected === true ? { inspectorPort: 0 } : {}),
      resourcePersistencePath: storage,
      workers: [
        {
          name: 'vora-edge',
          compatibilityDate: '2026-11-09',
          compatibilityFlags: ['enable_request_signal', 'global_fetch_strictly_public'],
          modules: await Promise.all(
            modules.map(async (path) => ({
              type: path.endsWith('.wasm') ? ('CompiledWasm' as const) : ('ESModule' as const),
              path,
              contents: new Uint8Array(await readFile(join(folder, path))),
            })),
          ),
          bindings: { AUTH: 'tenants', BUNDLE_SOURCE: 'assets', METRICS: 'off', ...bindings },
          durableObjects: { TENANTS: { className: 'TenantObject', useSQLite: true } },
          workflows: {
            JOBS: { name: 'vora-jobs', className: 'JobWorkflow' },
            DELIVERIES: { name: 'vora-deliveries', className: 'DeliveryWorkflow' },
          },
          kvNamespaces: ['TENANT_KEYS'],
          r2Buckets: ['TENANT_DATA', 'UPLOADS'],
          queueProducers: { UPLOAD_EVENTS: 'vora-upload-events' },
          queueConsumers: { 'vora-upload-events': { maxBatchTimeout: 0 } },
          serviceBindings: { ASSETS: (request: { url: string }) => asset(edgeFolder, new URL(request.url).pathname) },
          outboundService: (request: Request) => forward(request, hostsUrl),
        },
      ],
    }),
  );
  await miniflare.ready;
  return miniflare;
}

async function asset(folder: string | null, path: string): Promise<Response> {
  return folder === null ? new Response(null, { status: 404 }) : new Response(await readFile(join(folder, path)));
}

/** Names under `.example` are the test's own; all else goes where it says. */
async function forward(request: Request, hostsUrl: string): Promise<Response> {
  const { hostname, pathname } = new URL(request.url);
  const url = hostname.endsWith('.example') ? new URL(pathname, hostsUrl).href : request.url;
  const headers = [...request.headers].filter(([name]) => name !== 'host' && name !== 'content-length');
  const body = request.method === 'GET' ? {} : { body: await request.arrayBuffer() };
  return fetch(url, { method: request.method, headers, redirect: 'manual', ...body });
}
