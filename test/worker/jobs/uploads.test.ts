import { list, text } from '../../support/json-answer.ts';
import { createMessageBatch, getQueueResult, createExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { consumeUploads } from '../../../worker/jobs/consume-uploads.ts';
import { fakeUpstream, goodAnswer } from '../fake-upstream.ts';
import { repositoryFile } from '../repository-file.ts';
import { TENANCY } from '../tenants/tenant-app.ts';
import { jobLine, messageOf } from './job-line.ts';

const PNG = await repositoryFile('test/fixtures/golden/images/png-rgb.png');
const QUEUE = 'vora-upload-events';

function event(key: string, action = 'PutObject', eventTime = '2026-11-25T00:00:00.000Z') {
  return { account: 'a', bucket: 'vora-uploads', eventTime, action, object: { key, size: PNG.length, eTag: 'e1' } };
}

function uploadLine() {
  const line = jobLine(fakeUpstream(goodAnswer()));
  let ids = 0;
  return {
    ...line,
    async notify(...bodies: unknown[]) {
      const batch = createMessageBatch(
        QUEUE,
        bodies.map((body) => ({ id: `m${ids++}`, timestamp: new Date(), attempts: 1, body })),
      );
      const context = createExecutionContext();
      await consumeUploads(batch, line.app.deps, TENANCY);
      const { explicitAcks, retryMessages } = await getQueueResult(batch, context);
      return { acks: explicitAcks.length, retries: retryMessages };
    },
    async jobs(key: string) {
      return list((await line.app.call(key, 'GET', '/v1/jobs')).json['data']);
    },
  };
}

const RULES = {
  uploads: [
    { prefix: 'photos/', task: 'caption' },
    { prefix: 'photos/receipts/', task: 'ocr' },
  ],
};

describe('an upload', () => {
  it('becomes a job by the longest rule, its result lies beside it', async () => {
    const line = uploadLine();
    const { id: tenant, key } = await line.app.tenant(RULES);
    await env.UPLOADS.put(`${tenant}/photos/a.png`, PNG);
    await env.UPLOADS.put(`${tenant}/photos/receipts/b.png`, PNG);
    const told = [`${tenant}/photos/a.png`, `${tenant}/photos/receipts/b.png`, `${tenant}/other/c.png`].map((path) =>
      event(path),
    );
    expect(await line.notify(...told)).toEqual({ acks: 3, retries: [] });
    const jobs = await line.jobs(key);
    expect(jobs.map(({ ref, task }) => [ref, task])).toEqual([
      ['photos/receipts/b.png', 'ocr'],
      ['photos/a.png', 'caption'],
    ]);
    for (const job of jobs) {
      await line.run(tenant, text(job['id']));
    }
    const caption = await env.UPLOADS.get(`${tenant}/photos/a.png.caption.json`);
    expect(await caption?.json()).toMatchObject({ object: 'image.caption', text: 'Hello you' });
    expect(await env.UPLOADS.get(`${tenant}/photos/receipts/b.png.ocr.json`)).not.toBeNull();
  });

  it('is told to the rule’s webhook', async () => {
    const line = uploadLine();
    const { id: tenant, key } = await line.app.tenant();
    const hook = await line.app.call(key, 'POST', '/v1/tenant/webhooks', { url: 'https://receiver.example/' });
    const uploads = [{ prefix: '', task: 'caption', webhook: text(hook.json['id']) }];
    await line.app.call('operator-key', 'POST', `/admin/tenants/${tenant}`, { name: 'x', uploads });
    await env.UPLOADS.put(`${tenant}/a.png`, PNG);
    await line.notify(event(`${tenant}/a.png`));
    const [job] = await line.jobs(key);
    await line.run(tenant, text(job?.['id']));
    await line.deliver(tenant, messageOf(text(job?.['id'])));
    expect(line.received).toHaveLength(1);
  });

  it('told twice is one job; uploaded again it is another', async () => {
    const line = uploadLine();
    const { id: tenant, key } = await line.app.tenant(RULES);
    const path = `${tenant}/photos/a.png`;
    await line.notify(event(path), event(path));
    await line.notify(event(path));
    expect(await line.jobs(key)).toHaveLength(1);
    await line.notify(event(path, 'PutObject', '2026-11-25T00:00:01.000Z'));
    expect(await line.jobs(key)).toHaveLength(2);
  });

  it.each<[string, (tenant: string) => unknown]>([
    ['a result', (tenant) => event(`${tenant}/photos/a.png.caption.json`)],
    ['a deletion', (tenant) => event(`${tenant}/photos/a.png`, 'DeleteObject')],
    ['something of nobody', () => event('nobody/photos/a.png')],
    ['a file of no folder', () => event('photos.png')],
    ['no notification', () => ({ hello: 1 })],
  ])('that is %s makes no job', async (_, body) => {
    const line = uploadLine();
    const { id: tenant, key } = await line.app.tenant(RULES);
    expect(await line.notify(body(tenant))).toEqual({ acks: 1, retries: [] });
    expect(await line.jobs(key)).toEqual([]);
  });

  it('past a quota waits for the next window; by a broken rule it is dropped and logged', async () => {
    const line = uploadLine();
    const full = await line.app.tenant({ ...RULES, quotas: [{ of: 'requests', per: 'day', limit: 0 }] });
    const waiting = await line.notify(event(`${full.id}/photos/a.png`));
    expect(waiting).toMatchObject({ acks: 0, retries: [{ msgId: expect.any(String) as string }] });
    const broken = await line.app.tenant({ uploads: [{ prefix: '', task: 'caption', model: 'gone' }] });
    expect(await line.notify(event(`${broken.id}/a.png`))).toEqual({ acks: 1, retries: [] });
    expect(line.app.logged).toMatchObject([{ event: 'upload', failure: 'model_not_found' }]);
  });
});
