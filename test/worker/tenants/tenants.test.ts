import { list, text } from '../../support/json-answer.ts';
import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { fakeUpstream, goodAnswer, HANG, textEvent } from '../fake-upstream.ts';
import { repositoryFile } from '../repository-file.ts';
import { dataUrl, question, testUpstream } from '../test-app.ts';
import { OPERATOR_KEY, type TenantApp, tenantApp } from './tenant-app.ts';

const IMAGE = dataUrl(await repositoryFile('test/fixtures/golden/images/png-rgb.png'));
const ask = (app: TenantApp, key: string, more: object = {}) =>
  app.call(key, 'POST', '/v1/chat/completions', { model: 'vora-random', ...question('Hi'), ...more });
const usage = async (app: TenantApp, key: string) =>
  list((await app.call(key, 'GET', '/v1/tenant/usage')).json['data']);

/** The account is told after the answer. */
async function settled(app: TenantApp, key: string, calls: number) {
  for (let i = 0; i < 100; i++) {
    const rows = await usage(app, key);
    if (Number(rows[0]?.['calls'] ?? 0) >= calls) {
      return rows[0];
    }
    await scheduler.wait(20);
  }
  throw new Error('the account was never told');
}

describe('keys of a tenant', () => {
  it('are made, used, rotated with two live at once, and revoked', async () => {
    const app = tenantApp(fakeUpstream(goodAnswer()));
    const { id, key } = await app.tenant();
    expect(key).toMatch(/^vora_[0-9a-z]{8}_[0-9a-z]{43}$/);
    expect((await ask(app, key)).status).toBe(200);

    const keyId = key.split('_')[1] ?? '';
    const rotated = await app.call(key, 'POST', `/v1/tenant/keys/${keyId}/rotate`, {});
    expect(rotated.status).toBe(201);
    const next = text(rotated.json['key']);
    expect((await ask(app, key)).status).toBe(200);
    expect((await ask(app, next)).status).toBe(200);
    const third = await app.call(next, 'POST', `/v1/tenant/keys/${text(rotated.json['id'])}/rotate`, {});
    expect(third).toMatchObject({ status: 409, json: { error: { code: 'too_many_keys' } } });

    const { json } = await app.call(next, 'GET', '/v1/tenant');
    expect(JSON.stringify(json)).not.toContain(next);
    expect(list(json['keys']).map((known) => known['id'])).toContain(keyId);
    expect((await app.call(OPERATOR_KEY, 'DELETE', `/admin/tenants/${id}/keys/${keyId}`)).status).toBe(200);
    expect((await ask(app, key)).status).toBe(401);
    expect((await ask(app, next)).status).toBe(200);
  });

  it('end at once when a rotation leaves them no time', async () => {
    const app = tenantApp(fakeUpstream(goodAnswer()));
    const { key } = await app.tenant();
    await app.call(key, 'POST', `/v1/tenant/keys/${key.split('_')[1]}/rotate`, { overlap_seconds: 0 });
    expect((await ask(app, key)).status).toBe(401);
  });

  it('open only what they are for', async () => {
    const app = tenantApp(fakeUpstream(goodAnswer()));
    const { key } = await app.tenant();
    const make = async (scopes: string[]) =>
      text((await app.call(key, 'POST', '/v1/tenant/keys', { purpose: scopes.join(), scopes })).json['key']);
    const chat = await make(['chat']);
    const admin = await make(['admin']);
    expect((await ask(app, chat)).status).toBe(200);
    expect(await ask(app, admin)).toMatchObject({ status: 403, json: { error: { code: 'forbidden' } } });
    expect((await app.call(chat, 'GET', '/v1/tenant')).status).toBe(403);
    expect((await app.call(admin, 'GET', '/v1/tenant')).status).toBe(200);
    expect((await app.call(key, 'GET', '/admin/tenants/x')).status).toBe(401);
    expect((await app.call(OPERATOR_KEY, 'GET', '/v1/tenant')).status).toBe(401);
  });

  it('are stored as hashes only', async () => {
    const app = tenantApp(fakeUpstream(goodAnswer()));
    const { key } = await app.tenant();
    const record = await env.TENANT_KEYS.get(`tenant-key:${key.split('_')[1]}`);
    expect(record).not.toBeNull();
    expect(record).not.toContain(key.split('_')[2]);
  });

  it('of nobody open nothing', async () => {
    const app = tenantApp(fakeUpstream(goodAnswer()));
    const { key } = await app.tenant();
    const wrong = `${key.slice(0, -1)}${key.endsWith('x') ? 'y' : 'x'}`;
    expect((await ask(app, wrong)).status).toBe(401);
    expect((await ask(app, 'vora_00000000_x')).status).toBe(401);
    expect((await app.fetch('/v1/models')).status).toBe(401);
    expect((await app.call('vora_00000000_x', 'POST', '/admin/tenants', {})).status).toBe(401);
  });
});

describe('models of a tenant', () => {
  const ADAPTER = `receipts@${'ab12'.repeat(4)}`;
  const settings = {
    models: {
      receipts: { serves: 'vora-random', adapter: ADAPTER, modes: ['ocr', 'chat'] },
      words: { serves: 'vora-random', modes: ['text'] },
    },
  };

  it('are its own names, routed to the model or to an adapter by its hash', async () => {
    const upstream = fakeUpstream(goodAnswer());
    const app = tenantApp(upstream);
    const { key } = await app.tenant(settings);
    const { json } = await app.call(key, 'GET', '/v1/models');
    expect(list(json['data']).map((model) => model['id'])).toEqual(['receipts', 'words']);
    expect((await ask(app, key, { model: 'receipts' })).json).toMatchObject({ model: 'receipts' });
    expect((await ask(app, key, { model: 'words' })).json).toMatchObject({ model: 'words' });
    expect(upstream.calls.map(({ body }) => body['model'])).toEqual([ADAPTER, 'upstream-model']);
    expect((await ask(app, key, { model: 'vora-random' })).status).toBe(404);
    expect((await app.call(key, 'GET', '/v1/models/vora-random')).status).toBe(404);
    expect((await app.call(key, 'POST', '/v1/ocr', { image: IMAGE })).status).toBe(415);
  });

  it('refuse what they are not for: an image to a text-only model is a 400', async () => {
    const upstream = fakeUpstream(goodAnswer());
    const app = tenantApp(upstream);
    const { key } = await app.tenant(settings);
    const image = await ask(app, key, { model: 'words', ...question('What?', IMAGE) });
    expect(image).toMatchObject({ status: 400, json: { error: { code: 'unsupported_mode', param: 'model' } } });
    const send = (path: string, body: object) =>
      app.fetch(path, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    expect((await send('/v1/caption', { image: IMAGE, model: 'receipts' })).status).toBe(400);
    expect(upstream.calls).toEqual([]);
    const read = await send('/v1/ocr', { image: IMAGE });
    expect(await read.json()).toMatchObject({ model: 'receipts', text: 'Hello you' });
  });

  it('with an adapter fall back on no other model', async () => {
    const upstreams = [testUpstream({ name: 'a' }), testUpstream({ name: 'b', serves: 'spare' })];
    const upstream = fakeUpstream(new Response('down', { status: 500 }));
    const app = tenantApp(upstream, { config: { upstreams, fallbacks: new Map([['vora-random', ['spare']]]) } });
    const { key } = await app.tenant(settings);
    expect((await ask(app, key, { model: 'receipts' })).status).toBe(502);
    expect(new Set(upstream.calls.map(({ body }) => body['model']))).toEqual(new Set([ADAPTER]));
  });

  it('must name adapters by hash', async () => {
    const app = tenantApp(fakeUpstream(goodAnswer()));
    const models = { a: { serves: 'vora-random', adapter: 'receipts' } };
    const made = await app.call(OPERATOR_KEY, 'POST', '/admin/tenants', { id: 'x', settings: { name: 'x', models } });
    expect(made).toMatchObject({ status: 400, json: { error: { param: 'settings.models.a.adapter' } } });
  });
});

describe('quotas of a tenant', () => {
  it('never overshoot under 200 requests at once', async () => {
    const upstream = fakeUpstream(goodAnswer(7));
    const app = tenantApp(upstream);
    const { key } = await app.tenant({ quotas: [{ of: 'requests', per: '30days', limit: 50 }] });
    const answers = await Promise.all(Array.from({ length: 200 }, () => ask(app, key)));
    const count = (status: number) => answers.filter((answer) => answer.status === status).length;
    expect([count(200), count(429)]).toEqual([50, 150]);
    expect(upstream.calls).toHaveLength(50);
    const refused = answers.find(({ status }) => status === 429);
    expect(refused?.json).toMatchObject({ error: { type: 'insufficient_quota', code: 'insufficient_quota' } });
    expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(refused?.headers.get('x-should-retry')).toBe('false');
    const row = await settled(app, key, 50);
    expect(row).toMatchObject({ calls: 50, promptTokens: 350, completionTokens: 100, billedPromptTokens: 350 });
  });

  it('of tokens hold the most that a request can cost until it is known', async () => {
    const app = tenantApp(fakeUpstream(goodAnswer(7)));
    const limit = 2500;
    const { key } = await app.tenant({ quotas: [{ of: 'tokens', per: '30days', limit }], answerTokensMax: 100 });
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(app, key)));
    const good = answers.filter(({ status }) => status === 200);
    expect(good.length).toBeGreaterThan(0);
    expect(good.length).toBeLessThan(20);
    expect(good[0]?.headers.get('x-ratelimit-limit-tokens')).toBe(String(limit));
    await settled(app, key, good.length);
    // Nine tokens each were used in truth, so that there is room again.
    expect((await ask(app, key)).status).toBe(200);
    expect((await ask(app, key, { max_tokens: 101 })).json).toMatchObject({ error: { param: 'max_tokens' } });
  });

  it('need a bound of the answer where they count tokens', async () => {
    const app = tenantApp(fakeUpstream(goodAnswer()));
    const settings = { name: 'x', quotas: [{ of: 'tokens', per: 'day', limit: 1 }] };
    const made = await app.call(OPERATOR_KEY, 'POST', '/admin/tenants', { id: 'x', settings });
    expect(made).toMatchObject({ status: 400, json: { error: { param: 'settings.answerTokensMax' } } });
  });

  it('count what came before a client left', async () => {
    const app = tenantApp(fakeUpstream([textEvent('a'), textEvent('b'), HANG]));
    const { key } = await app.tenant();
    const response = await app.fetch('/v1/chat/completions', {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: JSON.stringify({ model: 'vora-random', ...question('Hi'), stream: true }),
    });
    const reader = response.body?.getReader();
    await reader?.read();
    await reader?.read();
    await reader?.cancel();
    expect(await settled(app, key, 1)).toMatchObject({ calls: 1, billedCalls: 1, completionTokens: 2 });
  });

  it('change with the settings, at once', async () => {
    const app = tenantApp(fakeUpstream(goodAnswer(7)));
    const { id, key } = await app.tenant();
    expect((await ask(app, key)).status).toBe(200);
    const settings = { name: 'x', quotas: [{ of: 'requests', per: '30days', limit: 0 }] };
    expect((await app.call(OPERATOR_KEY, 'POST', `/admin/tenants/${id}`, settings)).status).toBe(200);
    expect((await ask(app, key)).status).toBe(429);
  });

  it('stand behind a first gate', async () => {
    const app = tenantApp(fakeUpstream(goodAnswer()), {
      tenancy: { gate: { limit: async () => ({ success: false }) } },
    });
    const { key } = await app.tenant();
    const turned = await ask(app, key);
    expect(turned).toMatchObject({ status: 429, json: { error: { code: 'rate_limit_exceeded' } } });
    expect(turned.headers.get('x-should-retry')).toBe('true');
  });
});

describe('a tenant that is deleted', () => {
  it('leaves no key, no object and no usage, and its id is free', async () => {
    const app = tenantApp(fakeUpstream(goodAnswer(7)));
    const { id, key } = await app.tenant();
    await ask(app, key);
    await settled(app, key, 1);
    await app.call(key, 'POST', '/v1/jobs', { task: 'caption', image: IMAGE });
    expect((await env.TENANT_DATA.list({ prefix: `${id}/` })).objects).toHaveLength(1);
    expect((await app.call(OPERATOR_KEY, 'DELETE', `/admin/tenants/${id}`)).json).toMatchObject({ deleted: true });
    expect((await ask(app, key)).status).toBe(401);
    expect((await env.TENANT_DATA.list({ prefix: `${id}/` })).objects).toEqual([]);
    expect((await env.TENANT_KEYS.list({ prefix: `tenant:${id}` })).keys).toEqual([]);
    expect((await app.call(OPERATOR_KEY, 'GET', `/admin/tenants/${id}`)).status).toBe(404);
    expect((await app.call(OPERATOR_KEY, 'DELETE', `/admin/tenants/${id}`)).status).toBe(404);
    const again = await app.call(OPERATOR_KEY, 'POST', '/admin/tenants', { id, settings: { name: 'Again' } });
    expect(again.status).toBe(201);
    expect(await usage(app, text(again.json['key']?.['key']))).toEqual([]);
  });
});

describe('usage', () => {
  it('leaves as CSV', async () => {
    const app = tenantApp(fakeUpstream(goodAnswer(7)));
    const { id, key } = await app.tenant({ models: { '=1+1,"x"': { serves: 'vora-random' } } });
    await ask(app, key, { model: '=1+1,"x"' });
    await settled(app, key, 1);
    const { json, headers } = await app.call(OPERATOR_KEY, 'GET', `/admin/tenants/${id}/usage?format=csv`);
    const today = new Date().toISOString().slice(0, 10);
    expect(text(json['text']).split('\r\n')).toEqual([
      'day,model,upstream,calls,billedCalls,promptTokens,completionTokens,billedPromptTokens,billedCompletionTokens',
      `${today},"'=1+1,""x""",upstream,1,1,7,2,7,2`,
      '',
    ]);
    expect(headers.get('content-type')).toBe('text/csv; charset=utf-8');
    expect((await app.call(key, 'GET', '/v1/tenant/usage?from=2020-01-01')).status).toBe(400);
    expect((await app.call(key, 'GET', '/v1/tenant/usage?from=yesterday')).status).toBe(400);
    expect((await app.call(key, 'GET', '/v1/tenant/usage?from=2024-01-01&to=2024-12-31')).json['data']).toEqual([]);
  });

  it('of one tenant is unknown to another, as are its keys', async () => {
    const app = tenantApp(fakeUpstream(goodAnswer()));
    const [a, b] = [await app.tenant(), await app.tenant()];
    await ask(app, a.key);
    await settled(app, a.key, 1);
    expect(await usage(app, b.key)).toEqual([]);
    const aKey = a.key.split('_')[1];
    expect((await app.call(b.key, 'DELETE', `/v1/tenant/keys/${aKey}`)).status).toBe(404);
    expect((await app.call(b.key, 'POST', `/v1/tenant/keys/${aKey}/rotate`, {})).status).toBe(404);
    expect((await app.call(b.key, 'GET', `/admin/tenants/${a.id}`)).status).toBe(401);
    expect((await ask(app, a.key)).status).toBe(200);
  });
});

describe('the operator’s list of tenants', () => {
  it('has each once over its pages, and nobody else reads it', async () => {
    const app = tenantApp(fakeUpstream(goodAnswer()));
    const made = await Promise.all([app.tenant(), app.tenant(), app.tenant()]);
    const listed: string[] = [];
    let after = '';
    for (;;) {
      const { json } = await app.call(OPERATOR_KEY, 'GET', `/admin/tenants?limit=2${after}`);
      const page = list(json['data']);
      expect(page.length).toBeLessThanOrEqual(2);
      listed.push(...page.map(({ id }) => text(id)));
      if (json['next_cursor'] === null) {
        break;
      }
      after = `&cursor=${encodeURIComponent(text(json['next_cursor']))}`;
    }
    expect(new Set(listed).size).toBe(listed.length);
    expect(listed).toEqual(expect.arrayContaining(made.map(({ id }) => id)));
    expect((await app.call(made[0]?.key ?? '', 'GET', '/admin/tenants')).status).toBe(401);
    expect((await app.call(OPERATOR_KEY, 'GET', '/admin/tenants?limit=0')).status).toBe(400);
  });

  it('leaves out who was deleted', async () => {
    const app = tenantApp(fakeUpstream(goodAnswer()));
    const { id } = await app.tenant();
    const names = async () =>
      list((await app.call(OPERATOR_KEY, 'GET', '/admin/tenants?limit=1000')).json['data']).map((one) => one['id']);
    expect(await names()).toContain(id);
    await app.call(OPERATOR_KEY, 'DELETE', `/admin/tenants/${id}`);
    expect(await names()).not.toContain(id);
  });
});
