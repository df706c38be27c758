import { describe, expect, it } from 'vitest';
import { READY_CACHE_MS } from '../../src/core/limits.ts';
import { openBundle } from '../../worker/bundle.ts';
import type { Deps } from '../../worker/deps.ts';
import { testApp, testConfig, testUpstream } from './test-app.ts';

const models = () => Response.json({ object: 'list', data: [] });
const noBundle = openBundle({ read: async () => null });

async function ready(fetch: Deps['fetch'], deps: Partial<Deps> = {}) {
  const app = testApp({ fetch }, deps);
  const response = await app.fetch('/readyz');
  return { status: response.status, body: await response.json(), logged: app.logged };
}

describe('GET /readyz', () => {
  it('is ready when the bundle is there and the model server answers; needs no key', async () => {
    const asked: { url: string; key: string | null; redirect: RequestInit['redirect'] }[] = [];
    const { status, body } = await ready(async (url, init) => {
      asked.push({ url, key: new Headers(init.headers).get('authorization'), redirect: init.redirect });
      return models();
    });
    expect([status, body]).toEqual([200, { status: 'ready', checks: { bundle: 'ok' }, upstreams: { upstream: 'ok' } }]);
    const redirect = 'manual';
    expect(asked).toContainEqual({ url: 'http://upstream.test/v1/models', key: 'Bearer upstream-key', redirect });
  });

  it.each([
    ['answers 401', async () => new Response(null, { status: 401 }), 'upstream-rejected', /answered 401/],
    [
      'redirects',
      async () => new Response(null, { status: 302, headers: { location: '/' } }),
      'upstream-rejected',
      /302/,
    ],
    ['refuses', async () => Promise.reject(new Error('connect 10.0.0.7')), 'upstream-unreachable', /10\.0\.0\.7/],
  ])('is not when the model server %s; the log says why', async (_, fetch, failure, message) => {
    const { status, body, logged } = await ready(fetch);
    expect([status, body]).toEqual([
      503,
      { status: 'unready', checks: { bundle: 'ok' }, upstreams: { upstream: 'failed' } },
    ]);
    expect(logged).toEqual([
      { level: 'error', readiness: 'upstream', failure, message: expect.stringMatching(message) as string },
    ]);
  });

  it('is not without the bundle, where the wire form needs one', async () => {
    const without = { bundle: noBundle };
    expect((await ready(async () => models(), without)).body).toMatchObject({ checks: { bundle: 'failed' } });
    const app = testApp({ fetch: async () => models() }, { ...without, wire: 'original' });
    expect(await (await app.fetch('/readyz')).json()).toEqual({
      status: 'ready',
      checks: {},
      upstreams: { upstream: 'ok' },
    });
  });

  it('asks the model server at most once in a while', async () => {
    let [calls, nowMs] = [0, 0];
    const fetch = async (url: string) => {
      calls += url.endsWith('/v1/models') ? 1 : 0;
      return models();
    };
    const app = testApp({ fetch }, { now: () => nowMs });
    for (let i = 0; i < 5; i += 1) {
      await app.fetch('/readyz');
    }
    expect(calls).toBe(1);
    nowMs = READY_CACHE_MS;
    await app.fetch('/readyz');
    expect(calls).toBe(2);
  });
});

describe('with several upstreams', () => {
  const upstream = (name: string, serves: string) =>
    testUpstream({ name, serves, url: `http://${name}.test`, can: new Set() });
  const upstreams = [upstream('a', 'vora-random'), upstream('b', 'vora-random'), upstream('c', 'other')];
  const without = (...hosts: string[]) =>
    ready(
      async (url) => (hosts.some((host) => url.includes(`//${host}.`)) ? Promise.reject(new Error('down')) : models()),
      { config: testConfig({ upstreams }) },
    );

  it('is ready as long as each model has one', async () => {
    expect(await without('a')).toMatchObject({ status: 200, body: { upstreams: { a: 'failed', b: 'ok', c: 'ok' } } });
    expect((await without('a', 'b')).status).toBe(503);
    expect((await without('c')).status).toBe(503);
  });

  it('is not while one that must see is still being tested, and does not wait for it', async () => {
    const slow = { ...upstream('a', 'vora-random'), wires: ['pixels' as const], can: new Set(['images' as const]) };
    const fetch: Deps['fetch'] = async (url) => (url.endsWith('/v1/models') ? models() : new Promise(() => undefined));
    const { status, logged } = await ready(fetch, { config: testConfig({ upstreams: [slow] }) });
    expect([status, logged[0]?.['message']]).toEqual([503, expect.stringContaining('still being tested')]);
  }, 10_000);
});

describe('GET /healthz', () => {
  it('depends on nothing', async () => {
    const app = testApp({ fetch: () => Promise.reject(new Error('down')) }, { bundle: noBundle });
    expect((await app.fetch('/healthz')).status).toBe(200);
  });
});
