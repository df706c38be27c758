import { join, resolve } from 'node:path';
import { Webhook } from 'svix';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort, type RunningServer, startServer } from '../../examples/processes.ts';

const SECRET = `whsec_${Buffer.from('a secret of thirty-two bytes ...').toString('base64')}`;
let receiver: RunningServer;

beforeAll(async () => {
  const port = await freePort();
  receiver = await startServer({
    name: 'receiver',
    command: process.execPath,
    args: [join(resolve(import.meta.dirname, '../..'), 'examples/webhook-receiver/main.ts')],
    env: { WEBHOOK_SECRET: SECRET, PORT: String(port) },
    url: `http://127.0.0.1:${port}`,
    healthPath: '/healthz',
    timeoutMs: 30_000,
  });
});
afterAll(() => receiver.stop());

async function post(secret: string, sentAt: Date, change: (body: string) => string = (body) => body): Promise<number> {
  const body = JSON.stringify({ type: 'job.succeeded', timestamp: sentAt.toISOString(), data: { id: 'job_1' } });
  const signature = new Webhook(secret).sign('msg_1', sentAt, body);
  const headers = {
    'webhook-id': 'msg_1',
    'webhook-timestamp': String(Math.floor(sentAt.getTime() / 1000)),
    'webhook-signature': signature,
  };
  const response = await fetch(`${receiver.url}/webhook`, { method: 'POST', headers, body: change(body) });
  return response.status;
}

describe('the example receiver', () => {
  it('takes what svix signed with its secret, twice too', async () => {
    expect(await post(SECRET, new Date())).toBe(204);
    expect(await post(SECRET, new Date())).toBe(204);
  });

  it('refuses a changed body, an old message and another secret', async () => {
    expect(await post(SECRET, new Date(), (body) => body.replace('job_1', 'job_2'))).toBe(401);
    expect(await post(SECRET, new Date(Date.now() - 301_000))).toBe(401);
    expect(await post(`whsec_${btoa('another')}`, new Date())).toBe(401);
  });
});
