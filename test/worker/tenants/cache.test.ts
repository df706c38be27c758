import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import type { Deps } from '../../../worker/deps.ts';
import { holdOwnerNames } from '../../../worker/owner-names.ts';
import { fakeUpstream, goodAnswer } from '../fake-upstream.ts';
import { repositoryFile } from '../repository-file.ts';
import { dataUrl, question } from '../test-app.ts';
import { type TenantApp, tenantApp } from './tenant-app.ts';

const images = 'test/fixtures/golden/images/';
const PNG = await repositoryFile(`${images}png-rgb.png`);
const A = dataUrl(PNG);
const B = dataUrl(await repositoryFile(`${images}png-grey.png`));

async function ask(app: TenantApp, key: string, body: object, path = '/v1/chat/completions') {
  const response = await app.fetch(path, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'x-vora-cache': 'use', 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'vora-random', temperature: 0, ...body }),
  });
  const cache = response.headers.get('x-vora-cache');
  return { status: response.status, text: await response.text(), cache };
}

/** Asks until the answer that was kept is there. */
async function hit(app: TenantApp, key: string, body: object) {
  await expect.poll(async () => (await ask(app, key, body)).cache).toBe('hit');
  return ask(app, key, body);
}

describe('the cache of exact answers', () => {
  it.each<[string, object, Partial<Deps>]>([
    ['whole', {}, {}],
    ['streamed', { stream: true }, {}],
    ['about an image that was made before', {}, { ownerNames: holdOwnerNames('the cache of answers') }],
  ])('gives the same bytes again, %s, without a call or a cost', async (_, form, deps) => {
    const upstream = fakeUpstream(goodAnswer());
    const app = tenantApp(upstream, { deps });
    const { key } = await app.tenant({ quotas: [{ of: 'requests', per: '30days', limit: 1 }] });
    const body = { ...question('What?', A), ...form };
    const first = await ask(app, key, body);
    expect(first).toMatchObject({ status: 200, cache: 'miss' });
    expect(await hit(app, key, body)).toEqual({ ...first, cache: 'hit' });
    expect(upstream.calls).toHaveLength(1);
    expect((await ask(app, key, { ...body, max_tokens: 7 })).status).toBe(429);
  });

  it.each<[string, object]>([
    ['another picture', question('What?', B)],
    ['another question', question('Why?', A)],
    [
      'another detail',
      {
        messages: [
          {
            role: 'user',
            content: [
              { type: 'image_url', image_url: { url: A, detail: 'low' } },
              { type: 'text', text: 'What?' },
            ],
          },
        ],
      },
    ],
    [
      'the question before the picture',
      {
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'What?' },
              { type: 'image_url', image_url: { url: A } },
            ],
          },
        ],
      },
    ],
    ['another length', { max_tokens: 5 }],
    ['another seed', { seed: 1 }],
    ['another form', { stream: true }],
    ['another model', { model: 'other' }],
    ['a bias', { logit_bias: { 7: 1 } }],
  ])('misses for %s', async (_, change) => {
    const app = tenantApp(fakeUpstream(goodAnswer()));
    const models = {
      'vora-random': { serves: 'vora-random' },
      other: { serves: 'vora-random', adapter: `x@${'a'.repeat(12)}` },
    };
    const { key } = await app.tenant({ models });
    const body = question('What?', A);
    await ask(app, key, body);
    await hit(app, key, body);
    expect(await ask(app, key, { ...body, ...change })).toMatchObject({ status: 200, cache: 'miss' });
  });

  it('knows a picture by its pixels, wherever it came from', async () => {
    let bytes = PNG;
    const upstream = fakeUpstream(goodAnswer());
    const app = tenantApp({
      fetch: (url, init) =>
        url.startsWith('https:') ? Promise.resolve(new Response(bytes)) : upstream.fetch(url, init),
    });
    const { key } = await app.tenant();
    await ask(app, key, question('What?', A));
    await hit(app, key, question('What?', A));
    const byUrl = question('What?', 'https://images.example/a.png');
    expect((await ask(app, key, byUrl)).cache).toBe('hit');
    bytes = await repositoryFile(`${images}png-grey.png`);
    expect((await ask(app, key, byUrl)).cache).toBe('miss');
  });

  it('asks once for fifty of the same at once', async () => {
    const { promise, resolve } = Promise.withResolvers<null>();
    const upstream = fakeUpstream([{ until: promise }, ...goodAnswer()]);
    const app = tenantApp(upstream);
    const { key } = await app.tenant();
    const answers = Array.from({ length: 50 }, () => ask(app, key, question('Hi')));
    await expect.poll(() => upstream.calls.length).toBe(1);
    resolve(null);
    const all = await Promise.all(answers);
    expect(new Set(all.map(({ text }) => text)).size).toBe(1);
    expect(all.filter(({ cache }) => cache === 'hit')).toHaveLength(49);
    expect(upstream.calls).toHaveLength(1);
  });

  it('is of one tenant, opt-in, and passed by where answers vary', async () => {
    const upstream = fakeUpstream(goodAnswer());
    const app = tenantApp(upstream);
    const [a, b] = [await app.tenant(), await app.tenant()];
    await ask(app, a.key, question('Hi'));
    await hit(app, a.key, question('Hi'));
    expect((await ask(app, b.key, question('Hi'))).cache).toBe('miss');
    expect((await ask(app, a.key, { ...question('Hi'), temperature: 1 })).cache).toBe('bypass');
    const plain = await app.call(a.key, 'POST', '/v1/chat/completions', {
      model: 'vora-random',
      temperature: 0,
      ...question('Hi'),
    });
    expect(plain.headers.get('x-vora-cache')).toBeNull();
    expect(upstream.calls).toHaveLength(4);
  });

  it('is empty after its deletion', async () => {
    const app = tenantApp(fakeUpstream(goodAnswer()));
    const { id, key } = await app.tenant();
    await ask(app, key, question('Hi'));
    await hit(app, key, question('Hi'));
    expect((await app.call(key, 'DELETE', '/v1/tenant/answers')).json).toMatchObject({ deleted: 1 });
    expect((await env.TENANT_DATA.list({ prefix: `${id}/answers/` })).objects).toEqual([]);
    expect((await ask(app, key, question('Hi'))).cache).toBe('miss');
  });
});
