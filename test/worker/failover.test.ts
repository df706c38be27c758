import { describe, expect, it, vi } from 'vitest';
import { PROFILES } from '../../src/core/upstream/capability.ts';
import { ANYWHERE } from '../../src/core/upstream/region.ts';
import {
  DONE_EVENT,
  event,
  fakeHosts,
  fakeUpstream,
  type FakeUpstream,
  finishEvent,
  goodAnswer,
  HANG,
  RESET,
  type Script,
  textEvent,
  usageEvent,
} from './fake-upstream.ts';
import { repositoryFile } from './repository-file.ts';
import { dataUrl, events, question, testApp, type TestApp, testConfig, testUpstream } from './test-app.ts';

const picture = await repositoryFile('test/fixtures/golden/images/png-rgb.png');
type Fields = Parameters<typeof testUpstream>[0];

/** An app with named upstreams in order of preference: of their weights, all but nothing goes to the later ones. */
function appOf(
  upstreams: Record<string, FakeUpstream>,
  fields: Record<string, Fields> = {},
  config: Parameters<typeof testConfig>[0] = {},
): TestApp {
  const all = Object.keys(upstreams).map((name, i) =>
    testUpstream({ name, url: `http://${name}`, weight: 1000 ** -i, wires: ['original'], ...fields[name] }),
  );
  return testApp(fakeHosts(upstreams), { config: testConfig({ upstreams: all, ...config }) });
}

const status = (code: number, headers: Record<string, string> = {}): Script => {
  return () => new Response('{"error":{"message":"no"}}', { status: code, headers });
};
const hello = textEvent('half');

/** Eight ways to fail, before the first piece of an answer where that can be. */
const BEFORE_FIRST: [string, Script, string][] = [
  ['refuse', new Error('ECONNREFUSED'), 'unreachable'],
  ['5xx', status(500), '500'],
  ['slow headers', HANG, 'timeout'],
  ['stall', [': ping\n\n', HANG], 'timeout'],
  ['cut', [event({ choices: [{ index: 0, delta: { role: 'assistant' } }] })], 'broke'],
  ['reset', [RESET], 'broke'],
  ['malformed JSON', ['data: {"choices":[{"ind\n\n'], 'broke'],
  ['missing finish', [usageEvent(99), DONE_EVENT], 'broke'],
];
const AFTER_FIRST: [string, Script, string][] = [
  ['stall', [hello, HANG], 'timeout'],
  ['cut', [hello], 'broke'],
  ['reset', [hello, RESET], 'broke'],
  ['malformed JSON', [hello, 'data: {"choices":[{"ind\n\n'], 'broke'],
  ['missing finish', [hello, usageEvent(99), DONE_EVENT], 'broke'],
];
const QUICK = { firstByteMs: 100, idleMs: 100 };

describe('with two upstreams of which the first fails', () => {
  it.each(BEFORE_FIRST)('by %s before its first piece, the second answers', async (_, script, word) => {
    for (const stream of [true, false]) {
      const [a, b] = [fakeUpstream(script), fakeUpstream(goodAnswer())];
      const app = appOf({ a, b }, { a: QUICK });
      const response = await app.chat({ ...question('Hi'), stream });
      expect([response.status, response.headers.get('x-vora-attempts')]).toEqual([200, `a=${word}, b=ok`]);
      expect(await response.text()).toContain('you');
      expect(app.outcomes).toMatchObject([{ billed: 1, calls: [{ outcome: word }, { outcome: 'ok', pieces: 2 }] }]);
      expect(app.logged).toEqual([]);
    }
  });

  it.each(AFTER_FIRST)('by %s after it, a stream ends in an error and no second is billed', async (_, script, word) => {
    const [a, b] = [fakeUpstream(script), fakeUpstream(goodAnswer())];
    const app = appOf({ a, b }, { a: QUICK });
    const data = await events(await app.chat({ ...question('Hi'), stream: true }));
    expect(data.at(-1)).toMatch(/^\{"error":/);
    expect(b.calls).toEqual([]);
    expect(app.outcomes).toMatchObject([{ billed: 0, calls: [{ outcome: word, pieces: 1 }] }]);
  });

  it.each(AFTER_FIRST)('by %s after it, a whole answer comes from the second', async (_, script, word) => {
    const [a, b] = [fakeUpstream(script), fakeUpstream(goodAnswer())];
    const app = appOf({ a, b }, { a: QUICK });
    const response = await app.chat(question('Hi'));
    expect(response.headers.get('x-vora-attempts')).toBe(`a=${word}, b=ok`);
    expect(await response.json()).toMatchObject({ choices: [{ message: { content: 'Hello you' } }] });
    expect(app.outcomes).toMatchObject([{ billed: 1 }]);
  });

  it('and the second too, the client learns of both', async () => {
    for (const stream of [true, false]) {
      const app = appOf({ a: fakeUpstream(status(401)), b: fakeUpstream([RESET]) });
      const response = await app.chat({ ...question('Hi'), stream });
      expect([response.status, response.headers.get('x-vora-attempts')]).toEqual([502, 'a=401, b=broke']);
      expect(app.outcomes).toMatchObject([{ billed: null }]);
    }
  });

  it('and of two at once the slower failed last, the client is told of an upstream and of nothing else', async () => {
    const later = () => new Promise((resolve) => setTimeout(resolve, 400));
    const a = fakeUpstream([{ until: later() }, RESET]);
    const app = appOf({ a, b: fakeUpstream(HANG) }, { b: { firstByteMs: 100 } }, { hedgeAfterMs: 100 });
    const response = await app.chat({ ...question('Hi'), stream: true });
    expect([response.status, response.headers.get('x-vora-attempts')]).toEqual([504, 'a=broke, b=timeout']);
  });

  it('because of the request, the second is not asked', async () => {
    const b = fakeUpstream(goodAnswer());
    const response = await appOf({ a: fakeUpstream(status(400)), b }).chat(question('Hi'));
    expect([response.status, b.calls.length]).toEqual([400, 0]);
  });

  it('again and again, it is left alone', async () => {
    const [a, b] = [fakeUpstream([RESET]), fakeUpstream(goodAnswer())];
    const app = appOf({ a, b });
    for (let i = 0; i < 10; i++) {
      expect((await app.chat(question('Hi'))).status).toBe(200);
    }
    expect([a.calls.length, b.calls.length]).toEqual([3, 10]);
  });

  it.each(['image_embeds', 'pixels', 'original'] as const)(
    'the same image is sent to the second, by %s',
    async (wire) => {
      const [a, b] = [fakeUpstream([hello]), fakeUpstream(goodAnswer())];
      const app = appOf({ a, b }, { a: { wires: [wire] }, b: { wires: [wire] } });
      expect((await app.chat(question('What?', dataUrl(picture)))).status).toBe(200);
      const [sent, again] = [a, b].map(({ calls }) => JSON.stringify(calls[0]?.body['messages']));
      expect(sent).toMatch(/"(image_embeds|url)":"[^"]{100}/);
      expect(again).toBe(sent);
    },
  );

  it('images are sent in the form that the second takes', async () => {
    const [a, b] = [fakeUpstream([RESET]), fakeUpstream(goodAnswer())];
    const app = appOf({ a, b }, { a: { wires: ['image_embeds'] } });
    expect((await app.chat(question('What?', dataUrl(picture)))).status).toBe(200);
    const typeOf = ({ calls }: FakeUpstream) => /"type":"image_(\w+)"/.exec(JSON.stringify(calls[0]?.body))?.[1];
    expect([typeOf(a), typeOf(b)]).toEqual(['embeds', 'url']);
  });
});

describe('one upstream', () => {
  it('that fails for a moment is called again', async () => {
    for (const stream of [true, false]) {
      const a = fakeUpstream(new Error('ECONNRESET'), status(502), goodAnswer());
      const response = await appOf({ a }).chat({ ...question('Hi'), stream });
      expect([response.status, response.headers.get('x-vora-attempts')]).toEqual([200, 'a=unreachable, a=502, a=ok']);
      await response.text();
    }
  });

  it('that starts from zero is waited for: a stream under comments, a whole answer as long as its client says', async () => {
    const cold = { a: { coldStartMs: 60_000 } };
    const starting = status(503, { 'retry-after': '1' });
    const stream = await appOf({ a: fakeUpstream(starting, goodAnswer()) }, cold).chat({
      ...question('Hi'),
      stream: true,
    });
    expect([stream.status, stream.headers.get('x-vora-attempts')]).toEqual([200, 'a=busy']);
    expect(await stream.text()).toMatch(/^: ping\n\n[^]*Hello[^]*\[DONE\]\n\n$/);

    const slow = appOf({ a: fakeUpstream(starting, starting, goodAnswer()) }, cold);
    const whole = await slow.chat(question('Hi'));
    expect([whole.status, whole.headers.get('x-vora-attempts')]).toEqual([200, 'a=busy;times=2, a=ok']);
    expect(slow.outcomes).toMatchObject([{ billed: 1, calls: [{ outcome: 'busy', times: 2 }, { outcome: 'ok' }] }]);
    const hasty = await appOf({ a: fakeUpstream(starting, goodAnswer()) }, cold).chat(question('Hi'), {
      headers: { 'x-stainless-timeout': '1' },
    });
    expect([hasty.status, hasty.headers.get('retry-after')]).toEqual([503, '1']);
  });

  it('that falls silent is given up and hung up on', async () => {
    const a = fakeUpstream([hello, HANG]);
    const app = appOf({ a }, { a: { idleMs: 100 } });
    const data = await events(await app.chat({ ...question('Hi'), stream: true }));
    expect(data.at(-1)).toMatch(/"message":"The model server fell silent for 100 ms".*"code":"upstream_timeout"/);
    expect(a.calls[0]?.aborted).toBe(true);
  });

  it('that sends nothing in time is a 504', async () => {
    const a = fakeUpstream(HANG);
    const response = await appOf({ a }, { a: { firstByteMs: 100 } }).chat({ ...question('Hi'), stream: true });
    expect(response.status).toBe(504);
    expect(a.calls[0]?.aborted).toBe(true);
  });

  it('whose chunks show nothing for a while, as of hidden reasoning, is not silent', async () => {
    const thought = event({ choices: [{ index: 0, delta: { reasoning_content: 'hm' } }] });
    const pause = { until: new Promise((resolve) => setTimeout(resolve, 120)) };
    const later = { until: new Promise((resolve) => setTimeout(resolve, 240)) };
    const a = fakeUpstream([hello, pause, thought, later, ...goodAnswer()]);
    const response = await appOf({ a }, { a: { idleMs: 180 } }).chat({ ...question('Hi'), stream: true });
    expect((await events(response)).at(-1)).toBe('[DONE]');
  });
});

describe('the choice', () => {
  it.each([
    ['colo', 'colos', 'FRA'],
    ['country', 'countries', 'DE'],
    ['continent', 'continents', 'EU'],
  ])('prefers the region of the request by its %s', async (field, list, place) => {
    const [a, b] = [fakeUpstream(goodAnswer()), fakeUpstream(goodAnswer())];
    const app = appOf({ a, b }, { b: { near: { ...ANYWHERE, [list]: [place] } } });
    const ask = async (cf: Record<string, string>) =>
      (await app.chat(question('Hi'), { cf })).headers.get('x-vora-attempts');
    expect([await ask({ [field]: place }), await ask({ [field]: 'XX' })]).toEqual(['b=ok', 'a=ok']);
  });

  it('goes on to another model where one is named, and the answer says which it was', async () => {
    const upstreams = { a: fakeUpstream([RESET]), b: fakeUpstream(goodAnswer()) };
    const fallbacks = new Map([['vora-random', ['vora-small']]]);
    const app = appOf(upstreams, { b: { serves: 'vora-small' } }, { fallbacks });
    expect(await (await app.chat(question('Hi'))).json()).toMatchObject({ model: 'vora-small' });
    const data = await events(await app.chat({ ...question('Hi'), stream: true }));
    expect(data.slice(0, -1).every((chunk) => chunk.includes('"model":"vora-small"'))).toBe(true);
    const list = await (await app.fetch('/v1/models')).json<{ data: { id: string }[] }>();
    expect(list.data.map(({ id }) => id)).toEqual(['vora-random', 'vora-small']);
  });

  it('leaves out who cannot do what is asked, and names the field where nobody can', async () => {
    const [a, b] = [fakeUpstream(goodAnswer()), fakeUpstream(goodAnswer())];
    const textOnly = { can: new Set(PROFILES.openai.can.filter((capability) => capability !== 'images')) };
    const app = appOf({ a, b }, { a: textOnly });
    expect((await app.chat({ ...question('Hi'), top_k: 5 })).headers.get('x-vora-attempts')).toBe('b=ok');
    const seen = await app.chat(question('What?', dataUrl(picture)));
    expect(seen.headers.get('x-vora-attempts')).toBe('b=ok');
    for (const [body, param] of [
      [{ ...question('Hi'), top_k: 5 }, 'top_k'],
      [question('What?', dataUrl(picture)), 'messages[0].content[0]'],
    ] as const) {
      const refused = await appOf({ a }, { a: textOnly }).chat(body);
      expect(refused.status).toBe(400);
      expect(await refused.json()).toMatchObject({ error: { code: 'unsupported_parameter', param } });
    }
  });

  it('asks a second one after a silence where told to, and hangs up on the slower', async () => {
    const [a, b] = [fakeUpstream([HANG]), fakeUpstream(goodAnswer())];
    const app = appOf({ a, b }, {}, { hedgeAfterMs: 100 });
    const response = await app.chat({ ...question('Hi'), stream: true });
    expect(response.headers.get('x-vora-attempts')).toBe('a=dropped, b=ok');
    expect(a.calls[0]?.aborted).toBe(true);
    expect((await events(response)).at(-1)).toBe('[DONE]');
    expect(app.outcomes).toMatchObject([{ billed: 1, calls: [{ outcome: 'dropped', pieces: 0 }, { pieces: 2 }] }]);
  });

  it('has on record what the slower one gives out later, when the faster breaks and it is asked again', async () => {
    const client = new AbortController();
    const a = fakeUpstream([{ until: scheduler.wait(200) }, hello, RESET]);
    const b = fakeUpstream(HANG, [hello, textEvent(' more'), { until: scheduler.wait(1000) }]);
    const app = appOf({ a, b }, {}, { hedgeAfterMs: 100 });
    const response = app.chat(question('Hi'), { signal: client.signal });
    await vi.waitFor(() => expect(b.calls).toHaveLength(2));
    await scheduler.wait(100);
    client.abort();
    await response.catch(() => undefined);
    expect(app.outcomes).toMatchObject([
      {
        billed: null,
        calls: [
          { upstream: 'a', outcome: 'broke', pieces: 1 },
          { upstream: 'b', outcome: 'dropped', pieces: 0 },
          { upstream: 'b', outcome: 'dropped', pieces: 2 },
        ],
      },
    ]);
  });
});

describe('an upstream that counts nothing, where that is declared,', () => {
  const answer = [textEvent('Hello'), finishEvent(), DONE_EVENT];
  const uncounted = { server: 'openai', can: new Set(PROFILES.openai.can.filter((c) => c !== 'usage')) } as const;

  it('gives answers without usage, and is not asked for any', async () => {
    const a = fakeUpstream(answer);
    const response = await appOf({ a }, { a: uncounted }).chat(question('Hi'));
    const body = await response.json<object>();
    expect(Object.keys(body)).toEqual(['id', 'created', 'model', 'object', 'choices']);
    expect(a.calls[0]?.body).not.toHaveProperty('stream_options');
  });

  it('is not asked by a client that wants usage', async () => {
    const app = appOf({ a: fakeUpstream(answer) }, { a: uncounted });
    const refused = await app.chat({ ...question('Hi'), stream: true, stream_options: { include_usage: true } });
    expect(await refused.json()).toMatchObject({ error: { param: 'stream_options.include_usage' } });
  });
});

describe('a client that leaves', () => {
  async function leave(app: TestApp, ms: number, stream: boolean): Promise<void> {
    const left = new AbortController();
    const answer = app.chat({ ...question('Hi'), stream }, { signal: left.signal }).then((response) => response.text());
    answer.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, ms));
    left.abort();
  }

  it.each([
    ['before headers', [HANG], true],
    ['before headers, whole', [HANG], false],
    ['in prefill', [[': ping\n\n', HANG]], true],
    ['mid-stream', [[hello, HANG]], true],
    ['mid-answer, whole', [[hello, HANG]], false],
  ] as [string, Script[], boolean][])('%s stops upstream at once', async (_, scripts, stream) => {
    const a = fakeUpstream(...scripts);
    const app = appOf({ a });
    await leave(app, 100, stream);
    await expect.poll(() => a.calls[0]?.aborted, { timeout: 1000 }).toBe(true);
    await expect.poll(() => app.outcomes.length).toBe(1);
    expect(app.logged).toEqual([]);
  });

  it('stops both of a hedge', async () => {
    const [a, b] = [fakeUpstream(HANG), fakeUpstream([HANG])];
    const app = appOf({ a, b }, {}, { hedgeAfterMs: 100 });
    await leave(app, 300, true);
    await expect.poll(() => [a.calls[0]?.aborted, b.calls[0]?.aborted], { timeout: 1000 }).toEqual([true, true]);
  });

  it('between two tries is not followed by another', async () => {
    const a = fakeUpstream(status(503, { 'retry-after': '1' }), goodAnswer());
    const app = appOf({ a }, { a: { coldStartMs: 60_000 } });
    await leave(app, 300, false);
    await expect.poll(() => app.outcomes.length).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(a.calls).toHaveLength(1);
  });

  it('is accounted for what had come, by vLLM’s own count where it counts as it goes', async () => {
    const counted = event({
      choices: [{ index: 0, delta: { content: 'half' } }],
      usage: { prompt_tokens: 70, completion_tokens: 3, total_tokens: 73 },
    });
    const a = fakeUpstream([counted, HANG]);
    const app = appOf({ a }, { a: { server: 'vllm', can: new Set(PROFILES.vllm.can) } });
    await leave(app, 100, true);
    await expect.poll(() => app.outcomes.length).toBe(1);
    const usage = { promptTokens: 70, completionTokens: 3 };
    expect(app.outcomes).toMatchObject([
      { billed: 0, calls: [{ upstream: 'a', pieces: 1, usage, outcome: 'dropped' }] },
    ]);
    expect(a.calls[0]?.body['stream_options']).toEqual({ include_usage: true, continuous_usage_stats: true });
  });
});
