import { list, text } from '../../support/json-answer.ts';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it, vi } from 'vitest';
import { fakeUpstream, goodAnswer } from '../fake-upstream.ts';
import { repositoryFile } from '../repository-file.ts';
import { dataUrl } from '../test-app.ts';
import { type TenantApp } from '../tenants/tenant-app.ts';
import { jobLine, messageOf } from './job-line.ts';

const IMAGE = dataUrl(await repositoryFile('test/fixtures/golden/images/png-rgb.png'));
const HOOK = 'https://receiver.example/hook';

async function webhook(app: TenantApp, key: string, more: object = {}) {
  const { json, status } = await app.call(key, 'POST', '/v1/tenant/webhooks', { url: HOOK, ...more });
  expect(status).toBe(201);
  return { id: text(json['id']), secret: text(json['secret']) };
}

/** A job that is done, its message to this webhook not yet sent. */
async function finishedJob(line: ReturnType<typeof jobLine>, tenant: string, key: string, to: string) {
  const { json } = await line.app.call(key, 'POST', '/v1/jobs', { task: 'caption', image: IMAGE, webhook: to });
  const id = text(json['id']);
  await line.run(tenant, id);
  return { id, message: messageOf(id) };
}

const deliveries = async (app: TenantApp, key: string) =>
  list((await app.call(key, 'GET', '/v1/tenant/deliveries')).json['data']);

describe('a delivery', () => {
  it('goes on for ten attempts with one id and one body, each with a time of its own, and is on record', async () => {
    const line = jobLine(fakeUpstream(goodAnswer()), () => new Response(null, { status: 500 }));
    const { id: tenant, key } = await line.app.tenant();
    const hook = await webhook(line.app, key);
    const { message } = await finishedJob(line, tenant, key, hook.id);
    let seconds = Math.floor(Date.now() / 1000) - 20;
    line.app.deps.unixSeconds = () => seconds++;
    const slept = await line.deliver(tenant, message);
    expect(slept).toHaveLength(9);
    expect(slept.reduce((sum, wait) => sum + wait, 0)).toBeGreaterThanOrEqual(75 * 3600);
    const heard = line.received.map(({ headers, body }) => {
      new Webhook(hook.secret).verify(body, headers);
      return { id: headers['webhook-id'], time: headers['webhook-timestamp'], body };
    });
    expect(new Set(heard.map(({ id }) => id))).toEqual(new Set([message]));
    expect(new Set(heard.map(({ body }) => body)).size).toBe(1);
    expect(new Set(heard.map(({ time }) => time)).size).toBe(10);
    const [log] = await deliveries(line.app, key);
    expect(log).toMatchObject({ id: message, state: 'failed', url: HOOK, type: 'job.succeeded' });
    expect(list(log?.['attempts']).map(({ n, status, reason }) => [n, status, reason])).toEqual(
      Array.from({ length: 10 }, (_, i) => [i + 1, 500, 'status 500']),
    );
  });

  it('to a receiver that never answers is given up after 15 s, each time', async () => {
    let ms = 0;
    const waits: number[] = [];
    // Nothing else is on its way: the next thing that happens is the end of the time-out.
    const timeouts = vi.spyOn(AbortSignal, 'timeout').mockImplementation((limitMs) => {
      const limit = new AbortController();
      setTimeout(() => {
        ms += limitMs;
        limit.abort();
      }, 20);
      return limit.signal;
    });
    const line = jobLine(fakeUpstream(goodAnswer()), (_, signal) => {
      const startMs = ms;
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          waits.push(ms - startMs);
          reject(new Error('the connection is closed'));
        });
      });
    });
    const { id: tenant, key } = await line.app.tenant();
    const hook = await webhook(line.app, key);
    const { message } = await finishedJob(line, tenant, key, hook.id);
    await line.deliver(tenant, message).finally(() => timeouts.mockRestore());
    expect(waits).toEqual(Array(10).fill(15_000));
    const [log] = await deliveries(line.app, key);
    expect(list(log?.['attempts']).map(({ reason }) => reason)).toEqual(Array(10).fill('no answer within 15000 ms'));
  });

  it('comes again by the API, under the same id', async () => {
    let status = 500;
    const line = jobLine(fakeUpstream(goodAnswer()), () => new Response(null, { status }));
    const { id: tenant, key } = await line.app.tenant();
    const hook = await webhook(line.app, key);
    const { message } = await finishedJob(line, tenant, key, hook.id);
    await line.deliver(tenant, message);
    status = 204;
    const again = await line.app.call(key, 'POST', `/v1/tenant/deliveries/${message}/redeliver`);
    expect(again).toMatchObject({ status: 202, json: { id: message, run: 2 } });
    // The first run is over; only the second sends.
    await line.deliver(tenant, message, 1);
    expect(line.received).toHaveLength(10);
    await line.deliver(tenant, message, 2);
    expect(line.received).toHaveLength(11);
    expect(line.received.at(-1)?.headers['webhook-id']).toBe(message);
    expect(await deliveries(line.app, key)).toMatchObject([{ state: 'delivered' }]);
    expect((await line.app.call(key, 'POST', '/v1/tenant/deliveries/msg_0/redeliver')).status).toBe(404);
  });

  it('answered with 410 is the last one, until the webhook is enabled again', async () => {
    let status = 410;
    const line = jobLine(fakeUpstream(goodAnswer()), () => new Response(null, { status }));
    const { id: tenant, key } = await line.app.tenant();
    const hook = await webhook(line.app, key);
    const first = await finishedJob(line, tenant, key, hook.id);
    const second = await finishedJob(line, tenant, key, hook.id);
    expect(await line.deliver(tenant, first.message)).toEqual([]);
    await line.deliver(tenant, second.message);
    const third = await finishedJob(line, tenant, key, hook.id);
    await line.deliver(tenant, third.message);
    expect(line.received).toHaveLength(1);
    const shown = await line.app.call(key, 'GET', `/v1/tenant/webhooks/${hook.id}`);
    expect(shown.json['disabled']).toBe('its receiver answered 410');
    status = 204;
    await line.app.call(key, 'POST', `/v1/tenant/webhooks/${hook.id}/enable`);
    await line.app.call(key, 'POST', `/v1/tenant/deliveries/${first.message}/redeliver`);
    await line.deliver(tenant, first.message, 2);
    expect(line.received).toHaveLength(2);
  });

  it('loses no receiver while its secret rotates', async () => {
    const line = jobLine(fakeUpstream(goodAnswer()));
    const { id: tenant, key } = await line.app.tenant();
    const hook = await webhook(line.app, key, { ed25519: true, payload: 'full' });
    const before = await finishedJob(line, tenant, key, hook.id);
    const rotated = await line.app.call(key, 'POST', `/v1/tenant/webhooks/${hook.id}/rotate`);
    const secret = text(rotated.json['secret']);
    expect(secret).not.toBe(hook.secret);
    const after = await finishedJob(line, tenant, key, hook.id);
    await line.deliver(tenant, before.message);
    await line.deliver(tenant, after.message);
    for (const { body, headers } of line.received) {
      expect(new Webhook(hook.secret).verify(body, headers)).toMatchObject({ data: { result: { text: 'Hello you' } } });
      expect(new Webhook(secret).verify(body, headers)).toBeDefined();
      expect(headers['webhook-signature']?.match(/v1a?,/g)).toEqual(['v1,', 'v1,', 'v1a,', 'v1a,']);
    }
    const published = await line.app.fetch(`/webhooks/${tenant}/${hook.id}/keys`);
    const shown = await published.text();
    expect((JSON.parse(shown) as { keys: object[] }).keys).toHaveLength(2);
    expect(shown).not.toContain('whsec_');
  });

  it('thin tells of the job, and nothing of its answer', async () => {
    const line = jobLine(fakeUpstream(goodAnswer()));
    const { id: tenant, key } = await line.app.tenant();
    const hook = await webhook(line.app, key);
    const { id, message } = await finishedJob(line, tenant, key, hook.id);
    await line.deliver(tenant, message);
    expect(JSON.parse(line.received[0]?.body ?? '')).toMatchObject({
      data: { object: 'job', id, status: 'succeeded' },
    });
    expect(line.received[0]?.body).not.toContain('Hello');
  });

  it.each(['https://127.0.0.1/', 'https://printer.local/', 'https://edge.test/', 'http://receiver.example/'])(
    'to %s cannot be asked for',
    async (url) => {
      const { app } = jobLine(fakeUpstream(goodAnswer()));
      const { key } = await app.tenant();
      expect(await app.call(key, 'POST', '/v1/tenant/webhooks', { url })).toMatchObject({
        status: 400,
        json: { error: { param: 'url' } },
      });
    },
  );
});
