import { type Json, list, text } from '../../support/json-answer.ts';
import { env } from 'cloudflare:workers';
import { Webhook } from 'standardwebhooks';
import { Webhook as Svix } from 'svix';
import { describe, expect, it } from 'vitest';
import { fakeUpstream, goodAnswer, textEvent } from '../fake-upstream.ts';
import { createRoom } from '../../../worker/room.ts';
import { repositoryFile } from '../repository-file.ts';
import { dataUrl, EDGE_BUNDLE, question } from '../test-app.ts';
import { type TenantApp } from '../tenants/tenant-app.ts';
import { instantSteps, jobLine, messageOf } from './job-line.ts';

const PNG = await repositoryFile('test/fixtures/golden/images/png-rgb.png');
const IMAGE = dataUrl(PNG);
const HOOK = 'https://receiver.example/hook';

async function submit(app: TenantApp, key: string, body: object, headers: Record<string, string> = {}) {
  const response = await app.fetch('/v1/jobs', {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, ...headers },
    body: JSON.stringify(body),
  });
  const json = await response.json<Record<string, unknown>>();
  return { status: response.status, json, id: text(json['id'] ?? ''), headers: response.headers };
}

describe('a job', () => {
  it('is taken in, answered, billed once and told to its webhook', async () => {
    const upstream = fakeUpstream(goodAnswer(700));
    const { app, run, deliver, received } = jobLine(upstream);
    const { id: tenant, key } = await app.tenant();
    const job = await submit(app, key, { task: 'caption', image: IMAGE, ref: 'photo 1', webhook: HOOK });
    expect(job).toMatchObject({
      status: 202,
      json: { object: 'job', status: 'queued', ref: 'photo 1', model: 'vora-random' },
    });
    expect(job.id).toMatch(/^job_/);
    expect((await app.call(key, 'GET', `/v1/jobs/${job.id}`)).json).toMatchObject({ status: 'queued', result: null });

    await run(tenant, job.id);
    // A Workflow that is begun again from the first step does nothing twice.
    await run(tenant, job.id);
    const { json } = await app.call(key, 'GET', `/v1/jobs/${job.id}`);
    expect(json).toMatchObject({
      status: 'succeeded',
      result: { object: 'image.caption', text: 'Hello you', usage: { prompt_tokens: 700, completion_tokens: 2 } },
    });
    expect(upstream.calls).toHaveLength(1);
    const usage = list((await app.call(key, 'GET', '/v1/tenant/usage')).json['data']);
    expect(usage).toMatchObject([{ calls: 1, billedCalls: 1, billedPromptTokens: 700, billedCompletionTokens: 2 }]);

    await deliver(tenant, messageOf(job.id));
    await deliver(tenant, messageOf(job.id));
    expect(received.map(({ url }) => url)).toEqual([HOOK]);
    const [{ body, headers } = { body: '', headers: {} }] = received;
    const secret = text((await app.call(key, 'GET', '/v1/tenant/webhooks/default')).json['secret']);
    expect(() => new Svix(secret).verify(body, headers)).not.toThrow();
    expect(new Webhook(secret).verify(body, headers)).toMatchObject({
      type: 'job.succeeded',
      data: { id: job.id, ref: 'photo 1', status: 'succeeded', result: { text: 'Hello you' } },
    });
    expect(headers).toMatchObject({ 'webhook-id': messageOf(job.id) });
  });

  it('tells by which model and which vision weights its result was made, and how long each stage took', async () => {
    let ms = 0;
    const took = (more: number) => (ms += more);
    const upstream = fakeUpstream(goodAnswer());
    const { app, run } = jobLine({
      ...upstream,
      async fetch(url, init) {
        took(700);
        return upstream.fetch(url, init);
      },
    });
    const { id: tenant, key } = await app.tenant();
    const { embedder } = app.deps;
    app.deps.embedder = {
      ...embedder,
      async embedBf16(patches) {
        took(40);
        return embedder.embedBf16(patches);
      },
    };
    // Whoever looks at the clock sees that time has passed, else a stage without a wait would take none.
    app.deps.now = () => took(1);
    const job = await submit(app, key, { task: 'caption', image: IMAGE });
    await run(tenant, job.id);
    const { json } = await app.call(key, 'GET', `/v1/jobs/${job.id}`);
    const bundled = JSON.parse(new TextDecoder().decode(await repositoryFile(`${EDGE_BUNDLE}vora.json`))) as Json;
    expect(json['result']).toMatchObject({ model: 'vora-random', made: { vision: bundled['vision']?.['sha256'] } });
    const timings = json['result']?.['made']?.['timings'] as unknown as Record<string, number>;
    expect(Object.keys(timings)).toEqual(['decode_ms', 'embed_ms', 'upstream_ms']);
    const expected = { decode_ms: 1, embed_ms: 41, upstream_ms: 700 };
    for (const [stage, least] of Object.entries(expected)) {
      expect(timings[stage], stage).toBeGreaterThanOrEqual(least);
      expect(timings[stage], stage).toBeLessThan(least + 20);
    }
  });

  it('may ask about pictures in a chat, or for lines of text', async () => {
    const { app, run } = jobLine(fakeUpstream([textEvent('a\n\nb'), ...goodAnswer().slice(2)]));
    const { id: tenant, key } = await app.tenant();
    const chat = await submit(app, key, { task: 'chat', chat: question('What?', IMAGE) });
    const ocr = await submit(app, key, { task: 'ocr', image: IMAGE });
    await run(tenant, chat.id);
    await run(tenant, ocr.id);
    expect((await app.call(key, 'GET', `/v1/jobs/${chat.id}`)).json['result']).toMatchObject({
      object: 'chat.completion',
    });
    expect((await app.call(key, 'GET', `/v1/jobs/${ocr.id}`)).json['result']).toMatchObject({ lines: ['a', 'b'] });
  });

  it('may want its caption as JSON by a schema', async () => {
    const caption = { alt_text: 'A cat', short: 'A cat sits', long: 'A cat sits on a mat', tags: ['cat'] };
    const upstream = fakeUpstream([textEvent(JSON.stringify(caption)), ...goodAnswer().slice(2)]);
    const { app, run } = jobLine(upstream);
    const { id: tenant, key } = await app.tenant();
    const job = await submit(app, key, { task: 'caption', image: IMAGE, structured: true });
    await run(tenant, job.id);
    expect((await app.call(key, 'GET', `/v1/jobs/${job.id}`)).json['result']).toMatchObject({ caption });
    expect(upstream.calls[0]?.body).toMatchObject({ response_format: { type: 'json_schema' } });
  });

  it('takes its image from an upload or from the web', async () => {
    const { app, run } = jobLine(fakeUpstream(goodAnswer()), () => new Response(PNG));
    const { id: tenant, key } = await app.tenant();
    await env.UPLOADS.put(`${tenant}/in/a.png`, PNG);
    for (const image of ['r2:in/a.png', 'https://images.example/a.png']) {
      const job = await submit(app, key, { task: 'caption', image });
      await run(tenant, job.id);
      expect((await app.call(key, 'GET', `/v1/jobs/${job.id}`)).json['status']).toBe('succeeded');
    }
  });

  it.each<[string, string, string]>([
    ['an image that is gone', 'https://images.example/a.png', 'invalid_image_url'],
    ['an upload that is not there', 'r2:nothing.png', 'invalid_image_url'],
    ['a private address', 'https://127.0.0.1/a.png', 'invalid_image_url'],
    ['bytes that are no image', dataUrl(new Uint8Array(64)), 'unsupported_image'],
  ])('with %s fails with its reason, without a retry', async (_, image, code) => {
    const upstream = fakeUpstream(goodAnswer());
    const { app, run, deliver, received } = jobLine(
      upstream,
      (url) => new Response(null, { status: url === HOOK ? 204 : 404 }),
    );
    const { id: tenant, key } = await app.tenant();
    const job = await submit(app, key, { task: 'caption', image, webhook: HOOK });
    await run(tenant, job.id);
    expect((await app.call(key, 'GET', `/v1/jobs/${job.id}`)).json).toMatchObject({
      status: 'failed',
      error: { code },
    });
    await deliver(tenant, messageOf(job.id));
    expect(JSON.parse(received[0]?.body ?? '')).toMatchObject({ type: 'job.failed', data: { error: { code } } });
    expect(upstream.calls).toEqual([]);
  });

  it('is tried again while the model server is down, and fails with that reason in the end', async () => {
    const upstream = fakeUpstream(new Response('down', { status: 503 }));
    const { app, run } = jobLine(upstream);
    const { id: tenant, key } = await app.tenant();
    const job = await submit(app, key, { task: 'caption', image: IMAGE });
    app.deps.random = () => 0;
    await run(tenant, job.id, instantSteps(2));
    const { json } = await app.call(key, 'GET', `/v1/jobs/${job.id}`);
    expect(json).toMatchObject({ status: 'failed', error: { code: expect.stringMatching(/^upstream_/) as string } });
    expect(upstream.calls.length).toBeGreaterThanOrEqual(3);
    // What was called is on record, and nothing is billed.
    const [row] = list((await app.call(key, 'GET', '/v1/tenant/usage')).json['data']);
    expect(row).toMatchObject({ billedCalls: 0 });
  });

  it('that is cancelled asks nobody and stays cancelled', async () => {
    const upstream = fakeUpstream(goodAnswer());
    const { app, run } = jobLine(upstream);
    const { id: tenant, key } = await app.tenant();
    const job = await submit(app, key, { task: 'caption', image: IMAGE });
    expect((await app.call(key, 'POST', `/v1/jobs/${job.id}/cancel`)).json['status']).toBe('cancelled');
    await run(tenant, job.id);
    expect((await app.call(key, 'GET', `/v1/jobs/${job.id}`)).json['status']).toBe('cancelled');
    expect((await app.call(key, 'POST', `/v1/jobs/${job.id}/cancel`)).json['status']).toBe('cancelled');
    expect(upstream.calls).toEqual([]);
  });

  it('that is deleted leaves nothing in R2, in lists or in the log; only its counts stay', async () => {
    const { app, run, deliver } = jobLine(fakeUpstream(goodAnswer()));
    const { id: tenant, key } = await app.tenant();
    const job = await submit(app, key, { task: 'caption', image: IMAGE, webhook: HOOK });
    await run(tenant, job.id);
    await deliver(tenant, messageOf(job.id));
    const stored = async () => (await env.TENANT_DATA.list({ prefix: `${tenant}/` })).objects.length;
    expect(await stored()).toBe(3);
    expect((await app.call(key, 'DELETE', `/v1/jobs/${job.id}`)).json).toMatchObject({ deleted: true });
    expect(await stored()).toBe(0);
    expect((await app.call(key, 'GET', `/v1/jobs/${job.id}`)).status).toBe(404);
    expect(list((await app.call(key, 'GET', '/v1/jobs')).json['data'])).toEqual([]);
    expect(list((await app.call(key, 'GET', '/v1/tenant/deliveries')).json['data'])).toEqual([]);
    expect(list((await app.call(key, 'GET', '/v1/tenant/usage')).json['data'])).toHaveLength(1);
    // A Workflow that was late finds nothing, and leaves nothing.
    await run(tenant, job.id);
    expect(await stored()).toBe(0);
  });
});

describe('a call', () => {
  it('of 1000 images is 1000 jobs, listed page by page', { timeout: 240_000 }, async () => {
    const { app } = jobLine(fakeUpstream(goodAnswer()));
    const { key } = await app.tenant();
    const images = Array.from({ length: 1000 }, (_, i) => ({ image: `https://images.example/${i}.png`, ref: `r${i}` }));
    const batch = await submit(app, key, { task: 'caption', images });
    expect(batch).toMatchObject({ status: 202, json: { object: 'batch' } });
    const refs: unknown[] = [];
    let cursor: unknown = '';
    for (let pages = 0; cursor !== null; pages++) {
      const after = cursor === '' ? '' : `&cursor=${text(cursor)}`;
      const { json } = await app.call(key, 'GET', `/v1/jobs?limit=200&batch=${batch.id}${after}`);
      refs.push(...list(json['data']).map((job) => job['ref']));
      cursor = json['next_cursor'];
      expect(pages).toBeLessThan(6);
    }
    expect(refs).toEqual(images.map(({ ref }) => ref).toReversed());
    expect(
      (await submit(app, key, { task: 'caption', images: [...images, 'https://images.example/x.png'] })).status,
    ).toBe(400);
  });

  it('is taken in whole or not at all', async () => {
    const { app } = jobLine(fakeUpstream(goodAnswer()));
    const { id: tenant, key } = await app.tenant({ quotas: [{ of: 'requests', per: '30days', limit: 3 }] });
    const four = { task: 'caption', images: [IMAGE, IMAGE, IMAGE, IMAGE] };
    expect(await submit(app, key, four)).toMatchObject({
      status: 429,
      json: { error: { code: 'insufficient_quota' } },
    });
    expect(list((await app.call(key, 'GET', '/v1/jobs')).json['data'])).toEqual([]);
    expect((await env.TENANT_DATA.list({ prefix: `${tenant}/` })).objects).toEqual([]);
    expect((await submit(app, key, { ...four, images: [IMAGE, IMAGE, IMAGE] })).status).toBe(202);
  });

  it.each<[string, object, string | null]>([
    ['no image', { task: 'caption' }, 'image'],
    ['two forms of images', { task: 'caption', image: IMAGE, images: [IMAGE] }, 'image'],
    ['a question for a caption', { task: 'caption', image: IMAGE, question: 'What?' }, 'question'],
    ['no question', { task: 'vqa', image: IMAGE }, 'question'],
    ['an unknown field', { task: 'caption', image: IMAGE, colour: 1 }, 'colour'],
    ['a path for an image', { task: 'caption', images: ['/etc/passwd'] }, 'images[0]'],
    [
      'a chat that streams embeddings',
      {
        task: 'chat',
        chat: { messages: [{ role: 'user', content: [{ type: 'image_embeds', image_embeds: 'AA==' }] }] },
      },
      'messages[0].content[0].type',
    ],
    ['a webhook without TLS', { task: 'caption', image: IMAGE, webhook: 'http://receiver.example/' }, 'webhook'],
    ['a webhook to this worker', { task: 'caption', image: IMAGE, webhook: 'https://edge.test/v1/jobs' }, 'webhook'],
    ['a webhook to an address', { task: 'caption', image: IMAGE, webhook: 'https://[::ffff:10.0.0.1]/' }, 'webhook'],
    ['a webhook inside', { task: 'caption', image: IMAGE, webhook: 'https://metadata.google.internal/' }, 'webhook'],
  ])('with %s is refused by name', async (_, body, param) => {
    const { app } = jobLine(fakeUpstream(goodAnswer()));
    const { key } = await app.tenant();
    expect(await submit(app, key, body)).toMatchObject({ status: 400, json: { error: { param } } });
  });

  it('needs the scope, a model of the tenant and a webhook that exists', async () => {
    const { app } = jobLine(fakeUpstream(goodAnswer()));
    const { key } = await app.tenant();
    const { json } = await app.call(key, 'POST', '/v1/tenant/keys', { purpose: 'chat', scopes: ['chat'] });
    expect((await submit(app, text(json['key']), { task: 'caption', image: IMAGE })).status).toBe(403);
    expect((await submit(app, key, { task: 'caption', image: IMAGE, model: 'other' })).status).toBe(404);
    expect((await submit(app, key, { task: 'caption', image: IMAGE, webhook: 'whe_0' })).status).toBe(404);
  });
});

describe('an idempotency key', () => {
  const body = { task: 'caption', images: [IMAGE, IMAGE] };

  it('makes a call count once, at once and later', async () => {
    const upstream = fakeUpstream(goodAnswer());
    const { app, run } = jobLine(upstream);
    const { id: tenant, key } = await app.tenant();
    const again = () => submit(app, key, body, { 'idempotency-key': 'k1' });
    const answers = [...(await Promise.all([again(), again(), again()])), await again()];
    expect(new Set(answers.map(({ status, id }) => `${status} ${id}`)).size).toBe(1);
    expect(answers.filter(({ headers }) => headers.get('idempotency-replayed') === 'true')).toHaveLength(3);
    expect((await env.TENANT_DATA.list({ prefix: `${tenant}/` })).objects).toHaveLength(2);
    for (const { id } of list((await app.call(key, 'GET', '/v1/jobs')).json['data'])) {
      await run(tenant, text(id));
    }
    expect(upstream.calls).toHaveLength(2);
    expect(list((await app.call(key, 'GET', '/v1/jobs?status=succeeded')).json['data'])).toHaveLength(2);
    expect((await submit(app, key, body, { 'idempotency-key': 'k2' })).id).not.toBe(answers[0]?.id);
  });

  it('with another body is refused', async () => {
    const { app } = jobLine(fakeUpstream(goodAnswer()));
    const { key } = await app.tenant();
    await submit(app, key, body, { 'idempotency-key': 'k1' });
    const other = await submit(app, key, { ...body, task: 'ocr' }, { 'idempotency-key': 'k1' });
    expect(other).toMatchObject({ status: 409, json: { error: { code: 'idempotency_key_reused' } } });
    expect(other.headers.get('x-should-retry')).toBe('false');
    expect((await submit(app, key, body, { 'idempotency-key': 'x'.repeat(256) })).status).toBe(400);
  });
});

it('jobs with large pictures wait for room in their isolate’s memory', async () => {
  const calls: (() => void)[] = [];
  const upstream = fakeUpstream(goodAnswer());
  const { app, run } = jobLine({
    async fetch(url, init) {
      const body = await new Response(init.body ?? null).arrayBuffer();
      await new Promise<void>((resolve) => calls.push(resolve));
      return upstream.fetch(url, { ...init, body });
    },
  });
  app.deps.rooms = { ...app.deps.rooms, incoming: createRoom(500_000, 60_000) };
  const { id: tenant, key } = await app.tenant();
  // Bytes behind its end are no part of a picture.
  const photo = new Uint8Array(400_000);
  photo.set(PNG);
  await env.UPLOADS.put(`${tenant}/photo.png`, photo);
  const jobs = [];
  for (let job = 0; job < 2; job++) {
    const { id } = await submit(app, key, { task: 'caption', image: 'r2:photo.png' });
    jobs.push(run(tenant, id));
  }
  await expect.poll(() => calls.length).toBe(1);
  await scheduler.wait(50);
  expect(calls).toHaveLength(1);
  calls[0]?.();
  await expect.poll(() => calls.length).toBe(2);
  calls[1]?.();
  await Promise.all(jobs);
  expect(upstream.calls).toHaveLength(2);
});

it('a batch is under way a few jobs at a time; each end lets the next begin, and leaves no instance', async () => {
  const { app } = jobLine(fakeUpstream(goodAnswer()));
  const { key } = await app.tenant({ jobsAtOnce: 2 });
  const { json } = await app.call(key, 'POST', '/v1/jobs', { task: 'caption', images: Array(5).fill(IMAGE) });
  const ids = list(json['data']).map(({ id }) => text(id));
  const underWay = async (): Promise<string[]> => {
    const exist = await Promise.all(
      ids.map((id) =>
        env.JOBS.get(id).then(
          () => [id],
          () => [],
        ),
      ),
    );
    return exist.flat();
  };
  await expect.poll(underWay).toHaveLength(2);
  await scheduler.wait(300);
  const [first, second] = await underWay();
  expect(await underWay()).toEqual(ids.slice(0, 2));
  await app.call(key, 'POST', `/v1/jobs/${first}/cancel`);
  await expect.poll(underWay).toEqual(ids.slice(1, 3));
  await app.call(key, 'DELETE', `/v1/jobs/${second}`);
  await expect.poll(underWay).toEqual(ids.slice(2, 4));
});
