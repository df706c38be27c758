import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { convertV4MiniflareOptions, Miniflare, type WorkerdStructuredLog } from 'miniflare';
import { freePort } from './processes.ts';

const ROOT = resolve(import.meta.dirname, '..');
const WRANGLER = join(ROOT, 'node_modules/wrangler/bin/wrangler.js');

/** What `wrangler deploy` would upload. */
export type WorkerModules = {
  type: 'ESModule' | 'CompiledWasm';
  path: string;
  contents: Uint8Array<ArrayBuffer>;
}[];

export interface BuiltWorkerPlan {
  modules: WorkerModules;
  /** An edge bundle; absent where images travel as they come. */
  edgeFolder?: string;
  /** Variables and secrets beside the defaults of wrangler.toml. */
  vars: Record<string, string | number | object>;
  /** Catches spans as well as logs. */
  spans?: boolean;
  /** Opens the runtime's inspector. */
  inspect?: boolean;
  /** Answers what the worker fetches from this host, by path. All else goes out through Node, which ends no fetch early. */
  host?: { name: string; answer: (path: string) => Promise<Response> };
}

export interface BuiltWorker {
  /** Of the worker's own socket: no development server stands before it. */
  url: string;
  /** Lines that the worker logged. */
  logs: string[];
  /** Spans, attributes, logs and exceptions of each invocation that is over, as a streaming tail worker gets them. */
  invocations: TailEvent[][];
  /** Of the runtime's inspector, where it was asked for. */
  inspector(): Promise<URL>;
  stop(): Promise<void>;
}

/** Its fields depend on its type: `onset`, `spanOpen`, `attributes`, `spanClose`, `log`, `exception`, `outcome`, … */
export interface TailEvent {
  type: string;
  name?: string;
  info?: unknown;
}

export async function buildWorker(config = join(ROOT, 'wrangler.toml')): Promise<WorkerModules> {
  const folder = await mkdtemp(join(tmpdir(), 'vora-worker-'));
  try {
    await promisify(execFile)(
      process.execPath,
      [WRANGLER, 'deploy', '--dry-run', '--config', config, '--outdir', folder],
      {
        cwd: ROOT,
        env: { ...process.env, WRANGLER_SEND_METRICS: 'false', CI: '1' },
      },
    );
    const wasm = (await readdir(folder)).filter((name) => name.endsWith('.wasm'));
    return [
      { type: 'ESModule', path: 'index.js', contents: await readFile(join(folder, 'index.js')) },
      ...(await Promise.all(
        wasm.map(async (path) => ({
          type: 'CompiledWasm' as const,
          path,
          contents: await readFile(join(folder, path)),
        })),
      )),
    ];
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Hands on all events of an invocation when it is over. Some of the platform's numbers are bigints. */
const TAIL_WORKER = `
const plain = (_, value) => (typeof value === 'bigint' ? Number(value) : value);
export default {
  tailStream(onset, env, ctx) {
    const events = [onset.event];
    return ({ event }) => {
      events.push(event);
      if (event.type === 'outcome') {
        ctx.waitUntil(env.SINK.fetch('http://sink/', { method: 'POST', body: JSON.stringify(events, plain) }));
      }
    };
  },
};`;

/**
 * The built worker in workerd, open to this machine only, with everything it writes caught. It has a socket of its own:
 * `wrangler dev` puts a proxy in front, which hides from the worker that a client has left.
 */
export async function startBuiltWorker({
  modules,
  edgeFolder,
  vars,
  spans = false,
  inspect = false,
  host,
}: BuiltWorkerPlan): Promise<BuiltWorker> {
  const port = await freePort();
  const logs: string[] = [];
  const invocations: TailEvent[][] = [];
  const runtime = {
    compatibilityDate: '2026-11-09',
    compatibilityFlags: ['enable_request_signal', 'global_fetch_strictly_public'],
  };
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      ...(inspect ? { inspectorPort: 0 } : {}),
      handleStructuredLogs: (log: WorkerdStructuredLog) => logs.push(log.message),
      workers: [
        {
          name: 'vora-edge',
          ...runtime,
          modules,
          bindings: {
            MODEL: 'vora-random',
            AUTH: 'none',
            UPSTREAM_WIRE: 'image_embeds',
            BUNDLE_SOURCE: 'assets',
            METRICS: 'open',
            ...vars,
          },
          serviceBindings: {
            ASSETS: (request: { url: string }) => readAsset(edgeFolder, new URL(request.url).pathname),
          },
          ...(host === undefined ? {} : { outboundService: (request: Request) => answerFor(host, request) }),
          ...(spans ? { streamingTails: ['tail'] } : {}),
          unsafeDirectSockets: [{ host: '127.0.0.1', port }],
        },
        {
          name: 'tail',
          ...runtime,
          modules: true,
          script: TAIL_WORKER,
          serviceBindings: {
            async SINK(request: { json(): Promise<unknown> }) {
              invocations.push((await request.json()) as TailEvent[]);
              return new Response(null, { status: 204 });
            },
          },
        },
      ],
    }),
  );
  await miniflare.ready;
  const url = `http://127.0.0.1:${port}`;
  return { url, logs, invocations, inspector: () => miniflare.getInspectorURL(), stop: () => miniflare.dispose() };
}

async function readAsset(folder: string | undefined, path: string): Promise<Response> {
  if (folder === undefined) {
    return new Response(null, { status: 404 });
  }
  try {
    return new Response(await readFile(join(folder, path)));
  } catch {
    return new Response(null, { status: 404 });
  }
}

async function answerFor(host: NonNullable<BuiltWorkerPlan['host']>, request: Request): Promise<Response> {
  const { hostname, pathname } = new URL(request.url);
  if (hostname === host.name) {
    return host.answer(pathname);
  }
  const { method } = request;
  // `fetch` writes these itself, and takes no others.
  const own = ['host', 'content-length'];
  const headers = [...request.headers].filter(([name]) => !own.includes(name));
  return fetch(request.url, { method, headers, ...(method === 'GET' ? {} : { body: await request.arrayBuffer() }) });
}
