import { list, text } from '../support/json-answer.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { Webhook } from 'svix';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createRandom } from '../attacks/random.ts';
import { type Host, openHost, openTenantsLine, type TenantsLine } from '../support/tenants-line.ts';
import { encodePng } from '../support/png.ts';

/** Handed in by one call and all under way at once; one more comes with each kill. */
const AT_ONCE = 200;
const KILLS = 20;
const JOBS = AT_ONCE + KILLS;
/** `KILLS_SEED=8 npx vitest run test/e2e/jobs-killed.test.ts` kills at other moments. */
const SEED = Number(process.env['KILLS_SEED'] ?? 7);
/** A kill comes at a moment of this time, after the worker has started. */
const MOMENTS_MS = 1500;
/** A model server's longest answer: most calls are cut off, so that the last kill finds jobs under way too. */
const ANSWER_MS = 5000;

/** What the receiver was sent, by `webhook-id`. */
const heard = new Map<string, { body: string; times: number; headers: Record<string, string> }>();
const changed: string[] = [];
/** Each picture has a number, an answer that names it, and a price of its own. */
const pictures = Array.from({ length: JOBS }, (_, number) => {
  const pixels = new Uint8Array(28 * 28 * 3).fill(number);
  return `data:image/png;base64,${encodePng(28, 28, pixels).toString('base64')}`;
});
const answerOf = (number: number) => `picture ${number}`;
const priceOf = (number: number) => ({ prompt_tokens: 300 + 7 * number, completion_tokens: 1 + number });
const random = createRandom(SEED, 0);
let calls = 0;
let upstream: Host;
let receiver: Host;
let line: TenantsLine;

beforeAll(async () => {
  const chunk = (fields: object) =>
    `data: ${JSON.stringify({ id: 'u', object: 'chat.completion.chunk', created: 1, model: 'm', ...fields })}\n\n`;
  upstream = await openHost((_, body, response) => {
    calls++;
    const number = pictures.findIndex((picture) => body.includes(picture));
    const price = priceOf(number);
    const usage = { ...price, total_tokens: price.prompt_tokens + price.completion_tokens };
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    setTimeout(() => {
      response.end(
        chunk({ choices: [{ index: 0, delta: { content: answerOf(number) }, finish_reason: null }] }) +
          chunk({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }) +
          chunk({ choices: [], usage }) +
          'data: [DONE]\n\n',
      );
    }, random.below(ANSWER_MS));
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

it(
  `${JOBS} jobs end exactly once though workerd is killed ${KILLS} times (seed ${SEED})`,
  { timeout: 600_000 },
  async () => {
    const { key } = await line.tenant({ jobsAtOnce: JOBS });

    /** Null for a call that a kill cut off. */
    async function submit(idempotencyKey: string, numbers: readonly number[]): Promise<number | null> {
      const body = {
        task: 'caption',
        images: numbers.map((number) => ({ image: pictures[number], ref: String(number) })),
        webhook: 'https://receiver.example/hook',
        webhook_payload: 'full',
      };
      return line.call(key, 'POST', '/v1/jobs', body, { 'idempotency-key': idempotencyKey }).then(
        ({ status }) => status,
        () => null,
      );
    }

    async function states(): Promise<string[]> {
      const found: string[] = [];
      for (let query: string | null = ''; query !== null;) {
        const { json } = await line.call(key, 'GET', `/v1/jobs?limit=200${query}`);
        found.push(...list(json['data']).map((job) => text(job['status'])));
        const next = json['next_cursor'];
        query = next === null ? null : `&cursor=${text(next)}`;
      }
      return found;
    }

    const all = Array.from({ length: AT_ONCE }, (_, number) => number);
    const underWay: number[] = [];
    for (let kill = 0; kill < KILLS; kill++) {
      const submissions = [() => submit('all', all), () => submit(`one-${kill}`, [AT_ONCE + kill])];
      const cutOff = submissions.map((call) => call());
      await sleep(random.below(MOMENTS_MS));
      await line.kill();
      await Promise.all(cutOff);
      await line.start();
      underWay.push((await states()).filter((state) => state === 'running').length);
      // The client does not know whether its calls were heard, and calls again.
      for (const call of submissions) {
        expect(await call()).toBe(202);
      }
    }
    const deadline = Date.now() + 240_000;
    while (Date.now() < deadline && (heard.size < JOBS || (await states()).some((state) => state !== 'succeeded'))) {
      await sleep(500);
    }
    expect(await states()).toEqual(Array(JOBS).fill('succeeded'));
    // The first kill may come before anything is taken in; each other one cut jobs off.
    expect(Math.min(...underWay.slice(1))).toBeGreaterThan(0);

    const secret = text((await line.call(key, 'GET', '/v1/tenant/webhooks/default')).json['secret']);
    const told = [...heard.values()].map(({ body, headers }) => {
      new Webhook(secret).verify(body, headers);
      const { data } = JSON.parse(body) as { data: { id: string; ref: string; result: { text: string } } };
      expect(data.result.text).toBe(answerOf(Number(data.ref)));
      return data;
    });
    expect(heard.size).toBe(JOBS);
    expect(new Set(told.map(({ id }) => id)).size).toBe(JOBS);
    expect(new Set(told.map(({ ref }) => ref)).size).toBe(JOBS);
    expect(changed).toEqual([]);

    const prices = pictures.map((_, number) => priceOf(number));
    const [usage] = list((await line.call(key, 'GET', '/v1/tenant/usage')).json['data']);
    expect(usage).toMatchObject({
      billedCalls: JOBS,
      billedPromptTokens: prices.reduce((sum, price) => sum + price.prompt_tokens, 0),
      billedCompletionTokens: prices.reduce((sum, price) => sum + price.completion_tokens, 0),
    });
    expect(Number(usage?.['calls'])).toBeLessThanOrEqual(calls);
    const repeated = [...heard.values()].filter(({ times }) => times > 1).length;
    console.log(
      `jobs under way at each kill ${underWay.join(' ')}; upstream calls ${calls}, recorded ${text(usage?.['calls'])}, ` +
        `messages sent twice ${repeated}`,
    );
  },
);
