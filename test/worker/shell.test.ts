import { exports } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { conformanceFaults } from '../conformance/openai-schemas.ts';
import { fakeUpstream, goodAnswer } from './fake-upstream.ts';
import { question, testApp } from './test-app.ts';

const busy = (headers: Record<string, string>) => fakeUpstream(new Response('{}', { status: 503, headers }));

describe('every response', () => {
  it.each([
    ['an answer', '/v1/models', {}, 200],
    ['a refusal', '/v1/chat/completions', { method: 'POST', body: '{}' }, 400],
    ['no route', '/nowhere', {}, 404],
    ['a wrong method', '/v1/models', { method: 'PATCH' }, 405],
    ['another media type', '/v1/ocr', { method: 'POST', body: 'x' }, 415],
    ['a bare HEAD', '/v1/models', { method: 'HEAD' }, 200],
  ])('can be read by a browser and has an id: %s', async (_, path, init, status) => {
    const response = await testApp(fakeUpstream(goodAnswer())).fetch(path, {
      ...init,
      headers: { origin: 'https://a.example' },
    });
    expect(response.status).toBe(status);
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(response.headers.get('access-control-expose-headers')?.split(',')).toEqual(
      expect.arrayContaining([
        'x-request-id',
        'retry-after',
        'retry-after-ms',
        'x-should-retry',
        'server-timing',
        'x-vora-attempts',
        'x-vora-wire',
      ]),
    );
    expect(response.headers.get('x-request-id')).toMatch(/^id\d/);
  });

  it('of a thrown bug is an error object without its words', async () => {
    const app = testApp({ fetch: () => Promise.resolve(null as unknown as Response) });
    const response = await app.chat(question('Hi'));
    expect(response.status).toBe(500);
    expect(await response.json()).toMatchObject({
      error: { code: 'internal_error', message: 'The worker failed; see its log' },
    });
    expect(app.logged).toMatchObject([{ failure: 'internal', message: 'TypeError' }]);
  });

  it('of a worker that is configured wrongly says so, to browsers too, and lives', async () => {
    const response = await exports.default.fetch('https://edge.test/v1/chat/completions', {
      method: 'POST',
      body: '{}',
    });
    const text = await response.text();
    expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([500, '*']);
    expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f]{32}$/);
    const received = {
      method: 'POST',
      path: '/v1/chat/completions',
      status: 500,
      contentType: 'application/json',
      text,
    };
    expect(conformanceFaults(received)).toEqual([]);
    const preflight = { method: 'OPTIONS', headers: { 'access-control-request-method': 'POST' } };
    expect((await exports.default.fetch('https://edge.test/v1/models', preflight)).status).toBe(204);
    expect((await exports.default.fetch('https://edge.test/healthz')).status).toBe(200);
    expect((await exports.default.fetch('https://edge.test/readyz')).status).toBe(503);
  });
});

describe('an error tells whether to try again', () => {
  it.each([
    ['a bad request', fakeUpstream(goodAnswer()), {}, 400, 'false'],
    ['a busy model server', busy({ 'retry-after': '7' }), question('Hi'), 503, 'true'],
    [
      'another vision',
      fakeUpstream(Response.json({ error: { message: 'x', code: 'vision_mismatch' } }, { status: 409 })),
      question('Hi'),
      502,
      'false',
    ],
    ['a broken stream', fakeUpstream([]), question('Hi'), 502, 'true'],
  ])('%s', async (_, upstream, body, status, retry) => {
    const response = await testApp(upstream).chat(body);
    expect([response.status, response.headers.get('x-should-retry')]).toEqual([status, retry]);
  });

  it('and when, in seconds and in milliseconds', async () => {
    const { headers } = await testApp(busy({ 'retry-after': '7' })).chat(question('Hi'));
    expect([headers.get('retry-after'), headers.get('retry-after-ms')]).toEqual(['7', '7000']);
  });
});
