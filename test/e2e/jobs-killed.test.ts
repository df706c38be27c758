import { list, text } from '../support/json-answer.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { Webhook } from 'svix';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createRandom } from '../attacks/random.ts';
import { type Host, openHost, openTenantsLine, type TenantsLine } from '../support/tenants-line.ts';
import { encodePng } from '../support/png.ts';

const JOBS = 200;
const KILLS = 20;
const [PROMPT_TOKENS, ANSWER_TOKENS] = [300, 2];
const PNG = `data:image/png;base64,${encodePng(28, 28, new Uint8Array(28 * 28 * 3)).toString('base64')}`;

/** What the receiver was sent, by `webhook-id`. */
const heard = new Map<string, { body: string; times: number; headers: Record<string, string> }>();
let calls = 0;
const changed: string[] = [];
const random = createRandom(7, 0);
let upstream: Host;
let receiver: Host;
let line: TenantsLine;

beforeAll(async () => {
  const chunk = (fields: object) =>
    `data: ${JSON.stringify({ id: 'u', object: 'chat.completion.chunk', created: 1, model: 'm', ...fields })}\n\n`;
  upstream = await openHost((_, __, response) => {
    calls++;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    setTimeout(() => {
      response.end(
        chunk({ choices: [{ index: 0, delta: { content: 'A cat' }, finish_reason: null }] }) +
          chunk({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }) +
          chunk({
            choices: [],
            usage: { prompt_tokens: PROMPT_TOKENS, completion_tokens: ANSWER_TOKENS, total_tokens: 302 },
          }) +
          'data: [DONE]\n\n',
      );
    }, random.below(1000));
  });
  receiver = await openHost((request, body, response) => {
    const id = text(request.headers['webhook-id']);
    const before = heard.get(id);
    heard.set(id, { body, times: (before?.times ?? 0) + 1, headers: request.headers as Record<string, string> });
    if (before !== undefined && before.body !== body) {
      changed.push(id);
    }
    response.writeHead(204).end();
  });
  line = await openTenantsLine(
    { MODEL: 'm', UPSTREAM_URL: upstream.url, UPSTREAM_WIRE: 'original', UPSTREAM_SERVER: 'openai', WATCH_SECONDS: 1 },
    receiver.url,
  );
  await line.start();
});

afterAll(async () => {
  await line.stop();
  await Promise.all([upstream.stop(), receiver.stop()]);
});

it(`${JOBS} jobs end exactly once though workerd is killed ${KILLS} times`, { timeout: 600_000 }, async () => {
  const { key } = await line.tenant();
  const body = { task: 'caption', images: Array(JOBS / KILLS).fill(PNG), webhook: 'https://receiver.example/hook' };
  const submit = (kill: number) =>
    line.call(key, 'POST', '/v1/jobs', body, { 'idempotency-key': `call-${kill}` }).then(
      ({ status }) => status,
      () => null,
    );
  for (let kill = 0; kill < KILLS; kill++) {
    const submitted = submit(kill);
    await sleep(random.below(1500));
    await line.kill();
    await submitted;
    await line.start();
    // The client does not know whether its call was heard, and calls again.
    expect(await submit(kill)).toBe(202);
  }
  const states = async () => {
    const { json } = await line.call(key, 'GET', '/v1/jobs?limit=200');
    return list(json['data']).map((job) => text(job['status']));
  };
  const deadline = Date.now() + 240_000;
  while (Date.now() < deadline && (heard.size < JOBS || (await states()).some((state) => state !== 'succeeded'))) {
    await sleep(500);
  }
  expect(await states()).toEqual(Array(JOBS).fill('succeeded'));
  const secret = text((await line.call(key, 'GET', '/v1/tenant/webhooks/default')).json['secret']);
  const jobs = [...heard.values()].map(({ body: text, headers }) => {
    new Webhook(secret).verify(text, headers);
    return (JSON.parse(text) as { data: { id: string } }).data.id;
  });
  expect(new Set(jobs).size).toBe(JOBS);
  expect(heard.size).toBe(JOBS);
  expect(changed).toEqual([]);
  const [usage] = list((await line.call(key, 'GET', '/v1/tenant/usage')).json['data']);
  expect(usage).toMatchObject({
    billedCalls: JOBS,
    billedPromptTokens: JOBS * PROMPT_TOKENS,
    billedCompletionTokens: JOBS * ANSWER_TOKENS,
  });
  expect(Number(usage?.['calls'])).toBeLessThanOrEqual(calls);
  const repeated = [...heard.values()].filter(({ times }) => times > 1).length;
  console.log(`upstream calls ${calls}, recorded ${text(usage?.['calls'])}, messages sent twice ${repeated}`);
});
