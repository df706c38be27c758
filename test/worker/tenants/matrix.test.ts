import { type Json, list, text } from '../../support/json-answer.ts';
import { env } from 'cloudflare:workers';
import { Webhook } from 'standardwebhooks';
import { beforeAll, describe, expect, it } from 'vitest';
import { holdOwnerNames } from '../../../worker/owner-names.ts';
import { fakeUpstream, goodAnswer } from '../fake-upstream.ts';
import { jobLine, messageOf } from '../jobs/job-line.ts';
import { repositoryFile } from '../repository-file.ts';
import { tenantApp } from './tenant-app.ts';
import { dataUrl, question, testUpstream } from '../test-app.ts';

const PNG = await repositoryFile('test/fixtures/golden/images/png-rgb.png');
const HOOK = 'https://receiver.example/hook';
const ADAPTER = `alice@${'0f'.repeat(8)}`;

const upstream = fakeUpstream(goodAnswer());
const line = jobLine(upstream);
const { app } = line;

interface Owner {
  id: string;
  key: string;
  job: string;
  webhook: string;
}

async function owner(settings: object): Promise<Owner> {
  const { id, key } = await app.tenant(settings);
  await env.UPLOADS.put(`${id}/private.png`, PNG);
  const hook = await app.call(key, 'POST', '/v1/tenant/webhooks', { url: HOOK });
  const webhook = text(hook.json['id']);
  const job = await app.call(key, 'POST', '/v1/jobs', { task: 'caption', image: dataUrl(PNG), webhook });
  await line.run(id, text(job.json['id']));
  return { id, key, webhook, job: text(job.json['id']) };
}

let alice: Owner;
let bob: Owner;
/** Has nothing but keys. */
let carol: Pick<Owner, 'id' | 'key'>;

beforeAll(async () => {
  alice = await owner({ models: { mine: { serves: 'vora-random', adapter: ADAPTER } } });
  bob = await owner({});
  carol = await app.tenant();
});

/** What is another tenant's does not exist: the same answer as for what nobody has. */
describe('of another tenant are unreachable', () => {
  it.each<[string, string, (a: Owner) => string]>([
    ['a job', 'GET', ({ job }) => `/v1/jobs/${job}`],
    ['a webhook and its secret', 'GET', ({ webhook }) => `/v1/tenant/webhooks/${webhook}`],
    ['the rotation of a webhook', 'POST', ({ webhook }) => `/v1/tenant/webhooks/${webhook}/rotate`],
    ['a redelivery', 'POST', ({ job }) => `/v1/tenant/deliveries/${messageOf(job)}/redeliver`],
    ['the rotation of a key', 'POST', ({ key }) => `/v1/tenant/keys/${key.split('_')[1]}/rotate`],
  ])('%s', async (_, method, path) => {
    const theirs = await app.call(bob.key, method, path(alice));
    expect(theirs).toMatchObject({ status: 404, json: { error: { code: 'not_found' } } });
  });

  it('though they are there for their owner', async () => {
    for (const path of [`/v1/jobs/${alice.job}`, `/v1/tenant/webhooks/${alice.webhook}`]) {
      expect((await app.call(alice.key, 'GET', path)).status).toBe(200);
    }
  });

  it('jobs in a list, by batch too', async () => {
    const mine = list((await app.call(alice.key, 'GET', '/v1/jobs')).json['data']);
    const batch = text(mine[0]?.['batch_id']);
    const theirs = list((await app.call(bob.key, 'GET', `/v1/jobs?batch=${batch}`)).json['data']);
    expect([mine.length, theirs.length]).toEqual([1, 0]);
  });

  it('deliveries in a list', async () => {
    const theirs = list((await app.call(bob.key, 'GET', `/v1/tenant/deliveries?job=${alice.job}`)).json['data']);
    expect(theirs).toEqual([]);
  });

  it('webhooks as the target of a job', async () => {
    const body = { task: 'caption', image: dataUrl(PNG), webhook: alice.webhook };
    expect((await app.call(bob.key, 'POST', '/v1/jobs', body)).status).toBe(404);
  });

  it('uploads', async () => {
    const image = `r2:${alice.id}/private.png`;
    const { json } = await app.call(bob.key, 'POST', '/v1/jobs', { task: 'caption', image });
    await line.run(bob.id, text(json['id']));
    const job = await app.call(bob.key, 'GET', `/v1/jobs/${text(json['id'])}`);
    expect(job.json).toMatchObject({ status: 'failed', error: { code: 'invalid_image_url' } });
  });

  it.each(['../ALICE/private.png', './../ALICE/private.png', 'x/../../ALICE/private.png'])(
    'uploads, from the folder above: %s',
    async (pattern) => {
      const body = { task: 'caption', images: [`r2:${pattern.replace('ALICE', alice.id)}`] };
      const answer = await app.call(bob.key, 'POST', '/v1/jobs', body);
      expect(answer).toMatchObject({ status: 400, json: { error: { param: 'images[0]' } } });
    },
  );

  it('adapters, by name or by hash', async () => {
    for (const model of ['mine', ADAPTER]) {
      const answer = await app.call(bob.key, 'POST', '/v1/chat/completions', { model, ...question('Hi') });
      expect(answer.status).toBe(404);
    }
    expect(upstream.calls.some(({ body }) => body['model'] === ADAPTER)).toBe(true);
    const before = upstream.calls.length;
    await app.call(bob.key, 'POST', '/v1/jobs', { task: 'caption', image: dataUrl(PNG), model: ADAPTER });
    expect(upstream.calls).toHaveLength(before);
  });

  it('payloads and results, under a job’s id of one’s own', async () => {
    // Objects of a job are found by tenant and job together: a job of the same id changes nothing.
    const stub = env.TENANTS.get(env.TENANTS.idFromName(carol.id));
    const job = { id: alice.job, ref: null, task: 'caption' as const, model: 'vora-random', tokens: 1 };
    await stub.submit({ batch: 'batch_x', jobs: [job], webhook: null, idempotency: null });
    await line.run(carol.id, alice.job);
    expect((await app.call(carol.key, 'GET', `/v1/jobs/${alice.job}`)).json).toMatchObject({ status: 'failed' });
    await stub.deleteJob(alice.job);
    await stub.submit({ batch: 'batch_y', jobs: [job], webhook: null, idempotency: null });
    await stub.endJob(alice.job, { state: 'succeeded' });
    const seen = await app.call(carol.key, 'GET', `/v1/jobs/${alice.job}`);
    expect(seen.json).toMatchObject({ status: 'succeeded', result: null });
    const own = await app.call(alice.key, 'GET', `/v1/jobs/${alice.job}`);
    expect(own.json['result']).toMatchObject({ text: expect.any(String) as string });
  });

  it('answers, kept in the cache or under an idempotency key', async () => {
    const ask = async (key: string, header: string, value: string) => {
      const response = await app.fetch('/v1/chat/completions', {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, [header]: value },
        body: JSON.stringify({ model: 'vora-random', temperature: 0, ...question('Kept?') }),
      });
      await response.text();
      return response.headers;
    };
    for (const [header, value, answer, again] of [
      ['x-vora-cache', 'use', 'x-vora-cache', 'hit'],
      ['idempotency-key', 'kept', 'idempotency-replayed', 'true'],
    ] as const) {
      await ask(carol.key, header, value);
      await expect.poll(async () => (await ask(carol.key, header, value)).get(answer)).toBe(again);
      expect((await ask(bob.key, header, value)).get(answer)).not.toBe(again);
    }
  });

  it('usage', async () => {
    const rows = async (key: string) => list((await app.call(key, 'GET', '/v1/tenant/usage')).json['data']);
    const { key } = await app.tenant();
    expect(await rows(key)).toEqual([]);
    expect(await rows(alice.key)).not.toEqual([]);
  });

  it('public keys, under a name of one’s own', async () => {
    const of = async (id: string) => (await app.fetch(`/webhooks/${id}/${alice.webhook}/keys`)).status;
    expect([await of(alice.id), await of(bob.id)]).toEqual([200, 404]);
  });

  it('idempotency keys', async () => {
    const send = async (key: string) => {
      const response = await app.fetch('/v1/jobs', {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'idempotency-key': 'shared' },
        body: JSON.stringify({ task: 'caption', image: dataUrl(PNG) }),
      });
      return text((await response.json<Json>())['id']);
    };
    expect(await send(alice.key)).not.toBe(await send(bob.key));
  });

  describe.each<[string, string, (chat: object) => object]>([
    ['a chat', '/v1/chat/completions', (chat) => chat],
    ['a job', '/v1/jobs', (chat) => ({ task: 'chat', chat })],
  ])('names at the model server, in %s', (_, path, bodyOf) => {
    it.each<[string, object, object]>([
      ['a salt', {}, { cache_salt: 'x' }],
      ['a name for one’s own image', { image_url: { url: dataUrl(PNG) }, uuid: 'x' }, {}],
      ['the name of an image that was sent before', { image_url: null, uuid: 'x' }, {}],
    ])('%s', async (__, image, fields) => {
      const content = [{ type: 'image_url', image_url: { url: dataUrl(PNG) }, ...image }];
      const chat = { model: 'vora-random', messages: [{ role: 'user', content }], ...fields };
      const before = upstream.calls.length;
      expect((await app.call(bob.key, 'POST', path, bodyOf(chat))).status).toBe(400);
      expect(upstream.calls).toHaveLength(before);
    });
  });

  it('messages: each is sent by its own tenant alone, and signed so that no other tenant’s secret verifies it', async () => {
    const secretOf = async ({ key, webhook }: Owner, id = webhook) =>
      text((await app.call(key, 'GET', `/v1/tenant/webhooks/${id}`)).json['secret']);
    const own = await secretOf(alice);
    const others = [await secretOf(bob), await secretOf(bob, 'default'), await secretOf(alice, 'default')];
    await line.deliver(bob.id, messageOf(alice.job));
    expect(line.received).toHaveLength(0);
    await line.deliver(alice.id, messageOf(alice.job));
    const [{ body, headers } = { body: '', headers: {} }, ...more] = line.received;
    expect(more).toEqual([]);
    expect(new Webhook(own).verify(body, headers)).toMatchObject({ data: { id: alice.job } });
    for (const secret of others) {
      expect(() => new Webhook(secret).verify(body, headers)).toThrow('No matching signature');
    }
  });

  // Last: where one of these fails, what others look for is gone.
  it.each<[string, string, (a: Owner) => string]>([
    ['the end of a job', 'POST', ({ job }) => `/v1/jobs/${job}/cancel`],
    ['the deletion of a job', 'DELETE', ({ job }) => `/v1/jobs/${job}`],
    ['the removal of a webhook', 'DELETE', ({ webhook }) => `/v1/tenant/webhooks/${webhook}`],
    ['the revocation of a key', 'DELETE', ({ key }) => `/v1/tenant/keys/${key.split('_')[1]}`],
  ])('%s', async (_, method, path) => {
    const theirs = await app.call(bob.key, method, path(alice));
    expect(theirs).toMatchObject({ status: 404, json: { error: { code: 'not_found' } } });
  });
});

it('names and salts at the model server are a tenant’s own, for the same picture', async () => {
  const server = fakeUpstream(goodAnswer());
  const reusing = tenantApp(server, {
    config: { upstreams: [testUpstream()] },
    deps: { ownerNames: holdOwnerNames('matrix') },
  });
  for (const { key } of [await reusing.tenant(), await reusing.tenant()]) {
    const body = { model: 'vora-random', ...question('What?', dataUrl(PNG)) };
    expect((await reusing.call(key, 'POST', '/v1/chat/completions', body)).status).toBe(200);
  }
  const [salts, uuids] = [new Set(), new Set()];
  for (const { body } of server.calls) {
    salts.add(body['cache_salt']);
    uuids.add(/"uuid":"([0-9a-f]{64})"/.exec(JSON.stringify(body))?.[1]);
  }
  expect([salts.size, uuids.size, uuids.has(undefined), salts.has(undefined)]).toEqual([2, 2, false, false]);
});
