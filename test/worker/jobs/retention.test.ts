import { list, text } from '../../support/json-answer.ts';
import { runDurableObjectAlarm } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fakeUpstream, goodAnswer } from '../fake-upstream.ts';
import { repositoryFile } from '../repository-file.ts';
import { tenantStub } from '../../../worker/tenants/tenancy.ts';
import { TENANCY } from '../tenants/tenant-app.ts';
import { dataUrl, question } from '../test-app.ts';
import { jobLine, messageOf } from './job-line.ts';

const IMAGE = dataUrl(await repositoryFile('test/fixtures/golden/images/png-rgb.png'));
const HOOK = 'https://receiver.example/hook';
const RETENTION_SECONDS = 60;

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }));
afterEach(() => void vi.useRealTimers());

/** The tenant's alarm, so many seconds from now. */
async function after(seconds: number, tenant: string): Promise<void> {
  vi.setSystemTime(Date.now() + seconds * 1000);
  await runDurableObjectAlarm(tenantStub(TENANCY, tenant));
}

const stored = async (tenant: string) =>
  (await env.TENANT_DATA.list({ prefix: `${tenant}/` })).objects.map(({ key }) => key.split('/').at(-1));

describe('the end of a tenant’s retention', () => {
  it('deletes payload, image, result, log and index entry of a job, no sooner; its counts stay', async () => {
    const { app, run, deliver } = jobLine(fakeUpstream(goodAnswer()));
    const { id: tenant, key } = await app.tenant({ retentionSeconds: RETENTION_SECONDS });
    const { json } = await app.call(key, 'POST', '/v1/jobs', { task: 'caption', image: IMAGE, webhook: HOOK });
    const job = text(json['id']);
    await run(tenant, job);
    await deliver(tenant, messageOf(job));
    const rows = async (path: string) => list((await app.call(key, 'GET', path)).json['data']).length;
    const seen = async () => [
      await stored(tenant),
      (await app.call(key, 'GET', `/v1/jobs/${job}`)).status,
      await rows('/v1/jobs'),
      await rows('/v1/tenant/deliveries'),
      await rows('/v1/tenant/usage'),
    ];
    await after(RETENTION_SECONDS - 5, tenant);
    expect(await seen()).toEqual([['image', 'request.json', 'result.json'], 200, 1, 1, 1]);
    await after(10, tenant);
    expect(await seen()).toEqual([[], 404, 0, 0, 1]);
  });

  it('takes a job that has not ended as well, and gives back what it had reserved', async () => {
    const { app, run } = jobLine(fakeUpstream(goodAnswer()));
    const { id: tenant, key } = await app.tenant({
      retentionSeconds: RETENTION_SECONDS,
      // Room for one image and its answer.
      quotas: [{ of: 'tokens', per: '30days', limit: 6000 }],
      answerTokensMax: 100,
    });
    const submit = () => app.call(key, 'POST', '/v1/jobs', { task: 'caption', image: IMAGE });
    const { json } = await submit();
    expect((await submit()).status).toBe(429);
    await after(RETENTION_SECONDS + 5, tenant);
    expect(await stored(tenant)).toEqual([]);
    // Its Workflow comes too late, and leaves nothing.
    await run(tenant, text(json['id']));
    expect(await stored(tenant)).toEqual([]);
    expect((await submit()).status).toBe(202);
  });

  it('deletes an answer that was kept under an idempotency key', async () => {
    const upstream = fakeUpstream(goodAnswer());
    const { app } = jobLine(upstream);
    const { id: tenant, key } = await app.tenant({ retentionSeconds: RETENTION_SECONDS });
    const ask = async () => {
      const response = await app.fetch('/v1/chat/completions', {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'idempotency-key': 'k' },
        body: JSON.stringify({ model: 'vora-random', ...question('Hi') }),
      });
      await response.text();
      return response.headers.get('idempotency-replayed');
    };
    await ask();
    await expect.poll(ask).toBe('true');
    expect(await stored(tenant)).toHaveLength(1);
    await after(RETENTION_SECONDS + 5, tenant);
    expect(await stored(tenant)).toEqual([]);
    expect(await ask()).toBeNull();
    expect(upstream.calls).toHaveLength(2);
  });
});

it('a job whose Workflow ended without a word fails, and its webhook is told', async () => {
  const { app, deliver, received } = jobLine(fakeUpstream(goodAnswer()));
  const { id: tenant, key } = await app.tenant();
  const { json } = await app.call(key, 'POST', '/v1/jobs', { task: 'caption', image: IMAGE, webhook: HOOK });
  const job = text(json['id']);
  const instance = await vi.waitFor(() => env.JOBS.get(job));
  await instance.terminate();
  await after(env.WATCH_SECONDS + 5, tenant);
  expect((await app.call(key, 'GET', `/v1/jobs/${job}`)).json).toMatchObject({
    status: 'failed',
    error: { code: 'job_lost' },
  });
  await deliver(tenant, messageOf(job));
  expect(JSON.parse(received[0]?.body ?? '')).toMatchObject({ type: 'job.failed', data: { id: job } });
});
