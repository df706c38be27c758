import { type Json, text } from './json-answer.ts';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildWorker } from '../../examples/built-worker.ts';
import { freePort } from '../../examples/processes.ts';
import type { TenantsWorkerPlan } from './tenants-worker.ts';

const OPERATOR_KEY = 'operator-key';

/** The worker with tenants, whose process can be killed and started again over the same storage. */
export interface TenantsLine {
  url: string;
  start(): Promise<void>;
  /** SIGKILL to it and to its workerd: nothing is flushed, nothing is told. */
  kill(): Promise<void>;
  call(
    key: string,
    method: string,
    path: string,
    body?: unknown,
    headers?: object,
  ): Promise<{ status: number; json: Json }>;
  tenant(settings?: object): Promise<{ id: string; key: string }>;
  stop(): Promise<void>;
}

export async function openTenantsLine(
  bindings: Record<string, string | number>,
  hostsUrl: string,
  edgeFolder: string | null = null,
): Promise<TenantsLine> {
  const root = await mkdtemp(join(tmpdir(), 'vora-tenants-'));
  const modules = await buildWorker();
  for (const { path, contents } of modules) {
    await writeFile(join(root, path), contents);
  }
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const plan: TenantsWorkerPlan = {
    port,
    hostsUrl,
    edgeFolder,
    modules: modules.map(({ path }) => path),
    folder: root,
    storage: join(root, 'storage'),
    bindings: { ADMIN_KEY_SHA256: createHash('sha256').update(OPERATOR_KEY).digest('hex'), ...bindings },
  };
  const planFile = join(root, 'plan.json');
  await writeFile(planFile, JSON.stringify(plan));
  const script = resolve(import.meta.dirname, 'tenants-worker.ts');
  let child: ChildProcess | null = null;

  const call: TenantsLine['call'] = async (key, method, path, body, headers = {}) => {
    const response = await fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${key}`, ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, json: (await response.json()) as Json };
  };

  async function kill(): Promise<void> {
    if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      const gone = once(child, 'exit');
      process.kill(-child.pid, 'SIGKILL');
      await gone;
    }
    child = null;
  }

  return {
    url,
    call,
    kill,
    async start() {
      // A group of its own, so that one signal reaches workerd as well.
      child = spawn(process.execPath, [script, planFile], { detached: true, stdio: ['pipe', 'ignore', 'inherit'] });
      const deadline = Date.now() + 60_000;
      for (;;) {
        const healthy = await fetch(`${url}/healthz`).then(
          (response) => response.ok,
          () => false,
        );
        if (healthy) {
          return;
        }
        if (Date.now() > deadline || child.exitCode !== null) {
          throw new Error('the worker did not start');
        }
        await sleep(50);
      }
    },
    async tenant(settings = {}) {
      const id = `t${Math.random().toString(36).slice(2)}`;
      const made = await call(OPERATOR_KEY, 'POST', '/admin/tenants', { id, settings: { name: 'Test', ...settings } });
      if (made.status !== 201) {
        throw new Error(JSON.stringify(made.json));
      }
      return { id, key: text(made.json['key']?.['key']) };
    },
    async stop() {
      await kill();
      await rm(dirname(planFile), { recursive: true, force: true });
    },
  };
}

export interface Host {
  url: string;
  stop(): Promise<void>;
}

/** An HTTP server of the test's own. */
export async function openHost(
  answer: (request: IncomingMessage, body: string, response: ServerResponse) => void,
): Promise<Host> {
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => answer(request, Buffer.concat(chunks).toString('utf8'), response));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
