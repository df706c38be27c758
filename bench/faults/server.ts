import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { FAULTS, findFault } from './faults.ts';
import { stageOf } from './stage.ts';

/** A request as the server saw it; times are milliseconds since the server started. */
export interface SeenRequest {
  fault: string;
  stream: boolean;
  atMs: number;
  /** When the response ended or the connection closed, and whose doing that was; null while it runs. */
  closed: { atMs: number; by: 'client' | 'server' } | null;
}

export interface FaultServer {
  /** Base, without `/v1`. */
  url: string;
  /** In order of arrival. */
  requests: SeenRequest[];
  close(): Promise<void>;
}

const HEADER = 'x-fault';

/** An OpenAI-compatible model server that breaks as it is told to. */
export async function startFaultServer({ port = 0, host = '127.0.0.1' } = {}): Promise<FaultServer> {
  const startedAt = performance.now();
  const since = () => performance.now() - startedAt;
  const requests: SeenRequest[] = [];
  const visits = new Map<string, { count: number; firstMs: number }>();

  async function chat(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = parse(await text(request));
    const fault = [request.headers[HEADER], ...namesIn(body.model)].find((name) => findFault(String(name))) ?? 'ok';
    const name = String(fault);
    const visit = visits.get(name) ?? { count: 0, firstMs: since() };
    visit.count++;
    visits.set(name, visit);

    const stream = body.stream === true;
    const seen: SeenRequest = { fault: name, stream, atMs: since(), closed: null };
    requests.push(seen);
    const stage = stageOf(response, stream, (by) => {
      seen.closed = { atMs: since(), by };
    });
    await findFault(name)?.play(stage, { count: visit.count, sinceMs: since() - visit.firstMs });
  }

  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://faults').pathname;
    if (request.method === 'POST' && path.endsWith('/chat/completions')) {
      // A client may go while it is still sending.
      chat(request, response).catch(() => response.destroy());
    } else if (path === '/requests') {
      json(response, requests);
    } else if (path.endsWith('/models')) {
      const data = Object.keys(FAULTS).map((id) => ({ id, object: 'model', created: 0, owned_by: 'faults' }));
      json(response, { object: 'list', data });
    } else {
      json(response, { status: 'ok' });
    }
  });
  server.listen(port, host);
  await once(server, 'listening');
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}`,
    requests,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** A model's name, and what follows its last `/` or `:`, so that `gateway/stall` and `faults:stall` do as well. */
function namesIn(model: unknown): string[] {
  return typeof model === 'string' ? [model, model.split(/[/:]/).at(-1) ?? ''] : [];
}

function parse(body: string): { model?: unknown; stream?: unknown } {
  try {
    return JSON.parse(body) as { model?: unknown; stream?: unknown };
  } catch {
    return {};
  }
}

function json(response: ServerResponse, value: object): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}
