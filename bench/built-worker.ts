import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';

const ROOT = resolve(import.meta.dirname, '..');

export interface WorkerModule {
  type: 'ESModule' | 'CompiledWasm';
  path: string;
  contents: Uint8Array<ArrayBuffer>;
}

export interface BuiltWorker {
  url: string;
  /** What the worker has logged: a line of JSON each. */
  logged: Record<string, unknown>[];
  stop(): Promise<void>;
}

/** What `wrangler deploy` would upload. */
export async function buildWorker(config = join(ROOT, 'wrangler.toml')): Promise<WorkerModule[]> {
  const folder = await mkdtemp(join(tmpdir(), 'vora-worker-'));
  try {
    const wrangler = join(ROOT, 'node_modules/wrangler/bin/wrangler.js');
    await promisify(execFile)(
      process.execPath,
      [wrangler, 'deploy', '--dry-run', '--config', config, '--outdir', folder],
      {
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

/**
 * The built worker in workerd, with a socket of its own: `wrangler dev` puts a proxy in front, which hides from the
 * worker that a client has left. Open to this machine only; images travel as they come, so that no bundle is needed.
 */
export async function startBuiltWorker(
  modules: WorkerModule[],
  vars: Record<string, string | number | object>,
): Promise<BuiltWorker> {
  const logged: BuiltWorker['logged'] = [];
  const options = convertV4MiniflareOptions({
    modules,
    handleStructuredLogs: ({ message }) => logged.push(JSON.parse(message) as Record<string, unknown>),
    compatibilityDate: '2026-11-09',
    compatibilityFlags: ['enable_request_signal', 'global_fetch_strictly_public'],
    bindings: { AUTH: 'none', BUNDLE_SOURCE: 'assets', ASSETS: {}, ...vars },
    host: '127.0.0.1',
    port: 0,
  });
  const miniflare = new Miniflare(options);
  const url = await miniflare.ready;
  return { url: url.href.replace(/\/$/, ''), logged, stop: () => miniflare.dispose() };
}
