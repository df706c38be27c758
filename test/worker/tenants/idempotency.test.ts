import { list } from '../../support/json-answer.ts';
import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { fakeUpstream, goodAnswer, RESET, type Step, textEvent } from '../fake-upstream.ts';
import { repositoryFile } from '../repository-file.ts';
import { question } from '../test-app.ts';
import { type TenantApp, tenantApp } from './tenant-app.ts';

const PNG = await repositoryFile('test/fixtures/golden/images/png-rgb.png');

async function ask(app: TenantApp, key: string, idempotencyKey: string, more: object = {}) {
  const response = await app.fetch('/v1/chat/completions', {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'idempotency-key': idempotencyKey },
    body: JSON.stringify({ model: 'vora-random', ...question('Hi'), ...more }),
  });
  const replayed = response.headers.get('idempotency-replayed') === 'true';
  return { status: response.status, text: await response.text(), replayed, headers: response.headers };
}

/** The answer is kept after it was given. */
async function untilReplayed(again: () => ReturnType<typeof ask>) {
  for (let i = 0; i < 100; i++) {
    const answer = await again();
    if (answer.status !== 409) {
      return answer;
    }
    await scheduler.wait(20);
  }
  throw new Error('still being answered');
}

describe.each([
  ['whole', {}],
  ['streamed', { stream: true }],
])('the same chat again, %s,', (_, form) => {
  it('is answered with the same bytes, asked and billed once', async () => {
    const upstream = fakeUpstream(goodAnswer(7));
    const app = tenantApp(upstream);
    const { key } = await app.tenant();
    const first = await ask(app, key, 'k', form);
    expect(first).toMatchObject({ status: 200, replayed: false });
    const second = await untilReplayed(() => ask(app, key, 'k', form));
    expect(second).toMatchObject({ status: 200, replayed: true, text: first.text });
    expect(second.headers.get('content-type')).toBe(first.headers.get('content-type'));
    expect(upstream.calls).toHaveLength(1);
    const usage = list((await app.call(key, 'GET', '/v1/tenant/usage')).json['data']);
    expect(usage).toMatchObject([{ calls: 1, billedCalls: 1 }]);
    expect(await ask(app, key, 'other', form)).toMatchObject({ replayed: false });
    expect(upstream.calls).toHaveLength(2);
  });

  it('at the same time is a 409 that may be tried again, and one call', async () => {
    const { promise, resolve } = Promise.withResolvers<null>();
    const upstream = fakeUpstream([{ until: promise }, ...goodAnswer(7)]);
    const app = tenantApp(upstream);
    const { key } = await app.tenant();
    const first = ask(app, key, 'k', form);
    await expect.poll(() => upstream.calls.length).toBe(1);
    const second = await ask(app, key, 'k', form);
    expect(second.status).toBe(409);
    expect(JSON.parse(second.text)).toMatchObject({ error: { code: 'request_in_progress' } });
    expect(second.headers.get('x-should-retry')).toBe('true');
    expect(Number(second.headers.get('retry-after'))).toBeGreaterThan(0);
    resolve(null);
    const { text } = await first;
    expect(await untilReplayed(() => ask(app, key, 'k', form))).toMatchObject({ status: 200, text });
    expect(upstream.calls).toHaveLength(1);
  });

  it('with another body is refused', async () => {
    const app = tenantApp(fakeUpstream(goodAnswer(7)));
    const { key } = await app.tenant();
    await ask(app, key, 'k', form);
    const other = await ask(app, key, 'k', { ...form, temperature: 0 });
    expect(other.status).toBe(409);
    expect(JSON.parse(other.text)).toMatchObject({ error: { code: 'idempotency_key_reused' } });
    expect(other.headers.get('x-should-retry')).toBe('false');
  });

  it('after a failure asks again', async () => {
    const steps: Step[] = [textEvent('a'), RESET];
    const upstream = fakeUpstream(steps);
    const app = tenantApp(upstream);
    const { key } = await app.tenant();
    const first = await ask(app, key, 'k', form);
    expect(first.status === 502 || first.text.includes('"error"')).toBe(true);
    const calls = upstream.calls.length;
    steps.splice(0, 2, ...goodAnswer(7));
    const second = await untilReplayed(() => ask(app, key, 'k', form));
    expect(second).toMatchObject({ status: 200, replayed: false });
    expect(upstream.calls.length).toBeGreaterThan(calls);
  });
});

describe('an idempotency key', () => {
  it('belongs to one tenant, and to one route and form of answer', async () => {
    const upstream = fakeUpstream(goodAnswer());
    const app = tenantApp(upstream);
    const [a, b] = [await app.tenant(), await app.tenant()];
    const caption = async (key: string, accept: string) => {
      const headers = { authorization: `Bearer ${key}`, 'idempotency-key': 'k', 'content-type': 'image/png', accept };
      const response = await app.fetch('/v1/caption', { method: 'POST', headers, body: PNG });
      await response.text();
      return { status: response.status, replayed: response.headers.get('idempotency-replayed') };
    };
    expect(await caption(a.key, 'text/plain')).toEqual({ status: 200, replayed: null });
    expect(await caption(b.key, 'text/plain')).toEqual({ status: 200, replayed: null });
    expect((await caption(a.key, 'application/json')).status).toBe(409);
    expect(upstream.calls).toHaveLength(2);
  });

  it('keeps its answer under its tenant', async () => {
    const app = tenantApp(fakeUpstream(goodAnswer()));
    const { id, key } = await app.tenant();
    await ask(app, key, 'k');
    await untilReplayed(() => ask(app, key, 'k'));
    expect((await env.TENANT_DATA.list({ prefix: `${id}/answers/` })).objects).toHaveLength(1);
  });
});
