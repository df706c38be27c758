import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, inject, it } from 'vitest';

const VORA = resolve(import.meta.dirname, '../../bin/vora.mjs');

type Serving = ChildProcessByStdio<null, Readable, Readable>;

const running: Serving[] = [];

afterEach(() => running.splice(0).forEach((child) => child.kill('SIGKILL')));

function serve(args: string[], env: Record<string, string> = {}): Serving {
  const child = spawn(process.execPath, [VORA, 'serve', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  running.push(child);
  return child;
}

/** The URL in the line that says the endpoint is ready. */
async function ready(child: Serving): Promise<string> {
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return /^vora serve: listening on (http:\/\/127\.0\.0\.1:\d+)$/.exec(line)?.[1] ?? line;
}

async function failure(child: Serving): Promise<{ code: unknown; stderr: string }> {
  const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
  return { code, stderr };
}

const model = (): string => inject('artifacts').onnx;

describe('vora serve', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('lets an answer end after %s, and takes no more', async (signal) => {
    const child = serve(['--model', model(), '--port', '0']);
    const url = await ready(child);
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({
        model: 'vora-random',
        messages: [{ role: 'user', content: 'hi' }],
        temperature: 0,
        max_tokens: 60,
        stream: true,
      }),
    });
    child.kill(signal);
    const events = await response.text();
    expect(events.split('"content":').length - 1).toBeGreaterThan(50);
    expect(events).toMatch(/data: \[DONE\]\n\n$/);
    expect(await once(child, 'exit')).toEqual([0, null]);
    await expect(fetch(`${url}/health`)).rejects.toThrow('fetch failed');
  });

  it('asks for the key that its environment holds', async () => {
    const url = await ready(
      serve(['--model', model(), '--port', '0', '--api-key-env', 'TEST_KEY'], { TEST_KEY: 'k1' }),
    );
    const models = (authorization: string): Promise<Response> =>
      fetch(`${url}/v1/models`, { headers: { authorization } });
    expect((await models('Bearer k1')).status).toBe(200);
    expect((await models('Bearer k2')).status).toBe(401);
  });

  it.each<[string, string[], number, RegExp]>([
    ['no model', [], 2, /required option '--model <folder>'/],
    ['a port that is none', ['--model', 'x', '--port', '99999'], 2, /from 0 to 65535/],
    ['an option that is none', ['--model', 'x', '--gpu'], 2, /unknown option '--gpu'/],
    ['a key that is not there', ['--model', 'x', '--api-key-env', 'NOT_SET'], 2, /NOT_SET holds no key/],
    ['a folder that is none', ['--model', '/nowhere'], 1, /\/nowhere\/vora\.json: file: found none/],
  ])('refuses %s', async (_name, args, code, message) => {
    const failed = await failure(serve(args));
    expect(failed.code).toBe(code);
    expect(failed.stderr).toMatch(message);
    expect(failed.stderr).not.toContain('    at ');
  });

  it('refuses an address that is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const failed = await failure(serve(['--model', model(), '--port', String(port)]));
    other.close();
    expect(failed.code).toBe(3);
    expect(failed.stderr).toContain('EADDRINUSE');
  });
});
