/** A receiver of webhooks, behind a proxy for https: `WEBHOOK_SECRET=whsec_… node examples/webhook-receiver/main.ts` */
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { Webhook } from 'standardwebhooks';

const webhook = new Webhook(process.env['WEBHOOK_SECRET'] ?? '');
/** A message may come twice, under the same id; a real receiver keeps the ids where a restart does not lose them. */
const seen = new Set<string>();

const app = new Hono();
app.get('/healthz', (c) => c.text('ok'));
app.post('/webhook', async (c) => {
  const headers = c.req.header();
  const id = headers['webhook-id'] ?? '';
  let event: unknown;
  try {
    event = webhook.verify(await c.req.text(), headers);
  } catch {
    return c.text('The signature does not verify', 401);
  }
  if (!seen.has(id)) {
    seen.add(id);
    console.log(id, JSON.stringify(event));
  }
  return c.body(null, 204);
});

serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(process.env['PORT'] ?? 8788) }, ({ port }) => {
  console.log(`Listening on http://127.0.0.1:${port}/webhook`);
});
