import { type Json, text } from '../support/json-answer.ts';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
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

it('an uploaded picture ends as its text at a signed webhook and beside itself', { timeout: 120_000 }, async () => {
  const made = await call('operator', 'POST', '/admin/tenants', { id: 'shop', settings: { name: 'Shop' } });
  const key = text(made['key']?.['key']);
  const hook = await call(key, 'POST', '/v1/tenant/webhooks', {
    url: 'https://receiver.example/hook',
    payload: 'full',
    ed25519: true,
  });
  const uploads = [{ prefix: 'receipts/', task: 'ocr', webhook: text(hook['id']) }];
  await call('operator', 'POST', '/admin/tenants/shop', { name: 'Shop', uploads });

  const bucket = await worker.getR2Bucket('UPLOADS');
  await bucket.put('shop/receipts/price.jpg', await readFile(join(ROOT, 'examples/images/price.jpg')));
  // What R2 sends by itself on Cloudflare.
  const events = await worker.getQueueProducer('UPLOAD_EVENTS');
  const event = { action: 'PutObject', eventTime: new Date().toISOString() };
  await events.send({ ...event, object: { key: 'shop/receipts/price.jpg', eTag: 'e' } });

  await expect.poll(() => heard.length, { timeout: 60_000, interval: 200 }).toBe(1);
  const [{ headers, body } = { headers: {}, body: '' }] = heard;
  const secret = text(hook['secret']);
  expect(new Webhook(secret).verify(body, headers)).toMatchObject({
    type: 'job.succeeded',
    data: { task: 'ocr', ref: 'receipts/price.jpg', result: { text: '$4.95', lines: ['$4.95'] } },
  });
  expect(() => new Svix(secret).verify(body, headers)).not.toThrow();
  expect(() => new Svix(secret).verify(body.replace('4.95', '9.95'), headers)).toThrow(/signature/);
  expect(() => new Webhook(`whsec_${btoa('another')}`).verify(body, headers)).toThrow(/signature/);
  const beside = await bucket.get('shop/receipts/price.jpg.ocr.json');
  expect(await beside?.json()).toMatchObject({ object: 'image.ocr', text: '$4.95' });
});
