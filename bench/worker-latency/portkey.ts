import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort, type RunningServer, startServer } from '../../examples/processes.ts';

const PACKAGE = '@portkey-ai/gateway@1.15.2';
const START_TIMEOUT_MS = 30_000;
/**
 * As published, 1.15.2 answers every OpenAI stream with "Something went wrong" on Node 20 and 24: it appends to headers of a
 * fetched response, which are immutable. Loaded first, this gives it responses whose headers are not.
 */
const MUTABLE_HEADERS = `
const { fetch, Response } = globalThis;
globalThis.fetch = async (...request) => {
  const { body, status, statusText, headers } = await fetch(...request);
  return new Response(body, { status, statusText, headers });
};`;

/** Portkey's open-source gateway from npm, in a folder of its own; null where it cannot be had. */
export async function startPortkey(): Promise<RunningServer | null> {
  const folder = await mkdtemp(join(tmpdir(), 'vora-portkey-'));
  const remove = async (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    await promisify(execFile)('npm', [
      'install',
      '--prefix',
      folder,
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      PACKAGE,
    ]);
    const port = await freePort();
    const server = await startServer({
      name: 'portkey',
      command: process.execPath,
      args: [
        '--import',
        `data:text/javascript,${encodeURIComponent(MUTABLE_HEADERS)}`,
        join(folder, 'node_modules/@portkey-ai/gateway/build/start-server.js'),
        `--port=${port}`,
        '--headless',
      ],
      url: `http://127.0.0.1:${port}`,
      healthPath: '/',
      timeoutMs: START_TIMEOUT_MS,
    });
    return {
      url: server.url,
      async stop() {
        await server.stop();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    console.log(`no comparison with Portkey: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`);
    return null;
  }
}

/** Headers that send a request of Portkey's on to an OpenAI-compatible server. */
export function portkeyHeaders(upstreamUrl: string): Record<string, string> {
  return {
    authorization: 'Bearer none',
    'x-portkey-provider': 'openai',
    'x-portkey-custom-host': `${upstreamUrl}/v1`,
  };
}
