import { type Json, text } from '../support/json-answer.ts';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Miniflare } from 'miniflare';
import { Webhook } from 'standardwebhooks';
import { Webhook as Svix } from 'svix';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildWorker } from '../../examples/built-worker.ts';
import { freePort, type RunningServer } from '../../examples/processes.ts';
import { startEndpoint } from '../../examples/whole-line.ts';
import { vora } from '../support/build-artifacts.ts';
import { type Host, openHost } from '../support/tenants-line.ts';
import { startTenantsWorker } from '../support/tenants-worker.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const MODEL = 'vora-tiny';

/** The platform's binding of a Workflow, as Miniflare gives it out. */
interface Workflow {
  get(id: string): Promise<unknown>;
}

const heard: { headers: Record<string, string>; body: string }[] = [];
let folder: string;
let url: string;
let endpoint: RunningServer;
let receiver: Host;
let worker: Miniflare;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vora-uploads-'));
  const [merged, onnx, edge] = [join(folder, 'merged'), join(folder, 'onnx'), join(folder, 'edge')];
  const source = ['models/vora-tiny/adapter', '--base', 'models/vora-tiny/base', '--name', MODEL];
  await vora('merge', ...source, '--dtype', 'f32', '--out', merged);
  await vora('export', 'onnx', merged, '--out', onnx);
  await vora('export', 'edge', merged, '--out', edge);
  endpoint = await startEndpoint(onnx);
  receiver = await openHost((request, body, response) => {
    heard.push({ headers: request.headers as Record<string, string>, body });
    response.writeHead(204).end();
  });
  const modules = await buildWorker();
  for (const { path, contents } of modules) {
    await writeFile(join(folder, path), contents);
  }
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  worker = await startTenantsWorker({
    port,
    folder,
    edgeFolder: edge,
    hostsUrl: receiver.url,
    storage: join(folder, 'storage'),
    modules: modules.map(({ path }) => path),
    bindings: {
      MODEL,
      UPSTREAM_URL: endpoint.url,
      UPSTREAM_WIRE: 'image_embeds',
      UPSTREAM_SERVER: 'vora',
      ADMIN_KEY_SHA256: createHash('sha256').update('operator').digest('hex'),
    },
  });
});

afterAll(async () => {
  await worker?.dispose();
  await Promise.all([endpoint?.stop(), receiver?.stop()]);
  await rm(folder, { recursive: true, force: true });
});

async function call(key: string, method: string, path: string, body?: object): Promise<Json> {
  const response = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${key}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return (await response.json()) as Json;
}

/** `npm run tenants -- …`; gives what it prints. */
async function tenants(...args: string[]): Promise<string> {
  const env = { ...process.env, VORA_URL: url, VORA_ADMIN_KEY: 'operator' };
  return (await promisify(execFile)(process.execPath, [join(ROOT, 'examples/tenants.ts'), ...args], { env })).stdout;
}

it(
  'uploaded pictures end as caption and text at a signed webhook and beside themselves; no Workflow instance stays',
  {
    timeout: 120_000,
  },
  async () => {
    const made = JSON.parse(await tenants('create', 'shop')) as Json;
    const key = text(made['key']?.['key']);
    const hook = await call(key, 'POST', '/v1/tenant/webhooks', {
      url: 'https://receiver.example/hook',
      payload: 'full',
      ed25519: true,
    });
    const webhook = text(hook['id']);
    const uploads = [
      { prefix: 'receipts/', task: 'ocr', webhook },
      { prefix: 'photos/', task: 'caption', webhook },
    ];
    const settings = join(folder, 'settings.json');
    await writeFile(settings, JSON.stringify({ name: 'Shop', uploads }));
    await tenants('update', 'shop', '--settings', settings);

    const bucket = await worker.getR2Bucket('UPLOADS');
    const events = await worker.getQueueProducer('UPLOAD_EVENTS');
    for (const [path, picture] of [
      ['receipts/price.jpg', 'price.jpg'],
      ['photos/scene.webp', 'scene.webp'],
    ]) {
      await bucket.put(`shop/${path}`, await readFile(join(ROOT, `examples/images/${picture}`)));
      // What R2 sends by itself on Cloudflare.
      const event = { action: 'PutObject', eventTime: new Date().toISOString() };
      await events.send({ ...event, object: { key: `shop/${path}`, eTag: 'e' } });
    }

    await expect.poll(() => heard.length, { timeout: 60_000, interval: 200 }).toBe(2);
    const secret = text(hook['secret']);
    const told = heard.map(({ headers, body }) => {
      expect(() => new Svix(secret).verify(body, headers)).not.toThrow();
      return new Webhook(secret).verify(body, headers) as { type: string; data: { id: string; ref: string } };
    });
    const caption = 'A red circle at the top left and a blue square at the bottom right.';
    expect(told.toSorted((a, b) => a.data.ref.localeCompare(b.data.ref))).toMatchObject([
      { type: 'job.succeeded', data: { task: 'caption', ref: 'photos/scene.webp', result: { text: caption } } },
      {
        type: 'job.succeeded',
        data: { task: 'ocr', ref: 'receipts/price.jpg', result: { text: '$4.95', lines: ['$4.95'] } },
      },
    ]);

    const { JOBS, DELIVERIES } = await worker.getBindings<Record<'JOBS' | 'DELIVERIES', Workflow>>();
    const kept = async (workflow: Workflow, ids: readonly string[]): Promise<string[]> => {
      const found = await Promise.allSettled(ids.map(async (id) => workflow.get(id)));
      return ids.filter((_, i) => found[i]?.status === 'fulfilled');
    };
    const jobs = told.map(({ data }) => data.id);
    const deliveries = heard.map(({ headers }) => `${headers['webhook-id']}-1`);
    await expect.poll(() => kept(JOBS, jobs), { timeout: 10_000 }).toEqual([]);
    await expect.poll(() => kept(DELIVERIES, deliveries), { timeout: 10_000 }).toEqual([]);

    const [{ headers, body } = { headers: {}, body: '' }] = heard;
    const old = { ...headers, 'webhook-timestamp': String(Number(headers['webhook-timestamp']) - 301) };
    for (const Verifier of [Svix, Webhook]) {
      expect(() => new Verifier(secret).verify(body.replace('succeeded', 'failed'), headers)).toThrow(/signature/);
      expect(() => new Verifier(`whsec_${btoa('another')}`).verify(body, headers)).toThrow(/signature/);
      expect(() => new Verifier(secret).verify(body, old)).toThrow(/too old/);
    }

    const beside = async (path: string) => JSON.parse((await (await bucket.get(`shop/${path}`))?.text()) ?? '') as Json;
    expect(await beside('receipts/price.jpg.ocr.json')).toMatchObject({ object: 'image.ocr', text: '$4.95' });
    expect(await beside('photos/scene.webp.caption.json')).toMatchObject({ object: 'image.caption', text: caption });
    const [head, ...rows] = (await tenants('usage', 'shop')).trimEnd().split('\r\n');
    expect(head).toMatch(/^day,model,upstream,calls,/);
    expect(rows).toEqual([expect.stringMatching(/^[0-9-]{10},vora-tiny,upstream,2,2,/)]);
  },
);

it('an operator makes, rotates and ends keys and tenants', { timeout: 60_000 }, async () => {
  const json = async (...args: string[]) => JSON.parse(await tenants(...args)) as Json;
  const keysOf = async () => {
    const { keys } = (await json('show', 'kiosk')) as unknown as {
      keys: { id: string; purpose: string; scopes: string[] }[];
    };
    return keys.map(({ purpose, scopes }) => `${purpose}: ${scopes.join()}`);
  };
  await tenants('create', 'kiosk');
  const key = await json('key', 'kiosk', '--purpose', 'door', '--scopes', 'chat,jobs');
  const next = await json('rotate', 'kiosk', text(key['id']), '--overlap', '60');
  expect(text(next['key'])).not.toBe(text(key['key']));
  expect((await keysOf()).toSorted((a, b) => a.localeCompare(b))).toEqual([
    'door: chat,jobs',
    'door: chat,jobs',
    'first: chat,jobs,admin',
  ]);
  for (const made of [key, next]) {
    expect(await call(text(made['key']), 'GET', '/v1/jobs')).toMatchObject({ object: 'list', data: [] });
  }
  expect(await json('revoke', 'kiosk', text(next['id']))).toMatchObject({ object: 'key', deleted: true });
  expect(await keysOf()).toHaveLength(2);

  const listed = (await json('list', '--limit', '1')) as unknown as { data: { id: string }[]; next_cursor: string };
  const rest = (await json('list', '--cursor', listed.next_cursor)) as unknown as { data: { id: string }[] };
  expect([...listed.data, ...rest.data].map(({ id }) => id)).toEqual(['kiosk', 'shop']);
  await tenants('delete', 'kiosk');
  await expect(tenants('show', 'kiosk')).rejects.toMatchObject({ code: 1 });
});
