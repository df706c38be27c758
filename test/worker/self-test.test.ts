import { describe, expect, it } from 'vitest';
import { SELF_TEST_PROOF_MS, SELF_TEST_RETRY_MS } from '../../src/core/limits.ts';
import { PROFILES } from '../../src/core/upstream/capability.ts';
import type { Deps } from '../../worker/deps.ts';
import { upstreamCheck } from '../../worker/upstream-check.ts';
import type { Upstream } from '../../worker/upstream-config.ts';
import { DONE_EVENT, event, finishEvent, usageEvent } from './fake-upstream.ts';
import { repositoryFile } from './repository-file.ts';
import { dataUrl, question, testApp, type TestApp, testConfig, testUpstream } from './test-app.ts';

const picture = await repositoryFile('test/fixtures/golden/images/png-rgb.png');
const TEXT_TOKENS = 20;
/** The bundle's model turns any picture into so many. */
const IMAGE_TOKENS = 64;

/** What a model says of a picture, by its bytes as text. */
interface Model {
  says: (image: string) => { text: string; logprobs?: number[]; isCut?: boolean };
  /** Prompt tokens that a picture adds. */
  counts?: number;
}

function serve({ says, counts = IMAGE_TOKENS }: Model) {
  const seen = { tests: 0, questions: 0 };
  async function fetch(url: string, init: RequestInit): Promise<Response> {
    if (url.endsWith('/v1/models')) {
      return Response.json({});
    }
    const body = await new Response(init.body ?? null).json<{ messages: object; max_tokens?: number }>();
    const image = /"image_(?:embeds|url)":("[^"]+"|\{[^}]+\})/.exec(JSON.stringify(body.messages))?.[1] ?? '';
    seen[new Headers(init.headers).get('x-request-id')?.startsWith('self-test-') === true ? 'tests' : 'questions']++;
    const { text, logprobs, isCut = false } = says(image);
    const listed =
      logprobs === undefined ? {} : { logprobs: { content: logprobs.map((logprob) => ({ token: text, logprob })) } };
    const chunk = event({ choices: [{ index: 0, delta: { content: text }, ...listed }] });
    const usage = usageEvent(TEXT_TOKENS + (image === '' ? 0 : counts));
    const stream = [chunk, ...(isCut ? [] : [finishEvent()]), usage, DONE_EVENT].join('');
    return new Response(stream, { headers: { 'content-type': 'text/event-stream' } });
  }
  return { fetch, seen };
}

/** A number that depends on every byte, as a model that sees would. */
function hash(text: string): number {
  return new TextEncoder().encode(text).reduce((sum, byte) => (sum * 31 + byte) % 9973, 7) / 9973;
}

const sees: Model = { says: (image) => ({ text: `picture ${hash(image)}` }) };
const seesALittle: Model = { says: (image) => ({ text: 'dog', logprobs: [-0.5 - hash(image) / 10] }) };
const drops: Model = { says: () => ({ text: 'a dog' }), counts: 0 };
const ignores: Model = { says: () => ({ text: 'dog', logprobs: [-0.5, -1.25] }) };
const isWeak: Model = { says: () => ({ text: 'dog' }) };
let answers = 0;
const breaksOff: Model = { says: () => (++answers % 4 === 0 ? { text: 'd', isCut: true } : { text: 'dog' }) };
let turn = 0;
const isFickle: Model = { says: () => ({ text: `dog ${turn++}` }) };

const noLogprobs = { can: new Set(PROFILES.vora.can.filter((capability) => capability !== 'logprobs')) };

function appOf(model: Model, fields: Partial<Upstream> = {}, deps: Partial<Deps> = {}) {
  const served = serve(model);
  const config = testConfig({ selfTest: 'require', upstreams: [testUpstream(fields)] });
  return { ...served, app: testApp(served, { config, ...deps }) };
}

const ask = (app: TestApp) => app.chat(question('What?', dataUrl(picture)));

describe('where sight must be proven', () => {
  it.each<[string, Model, Partial<Upstream>, number]>([
    ['answers differently about different pictures', sees, noLogprobs, 4],
    ['drops the logprobs that it is asked for', sees, {}, 5],
    ['moves its logprobs, whatever it says', seesALittle, {}, 4],
    ['takes pictures as pixels', sees, { ...noLogprobs, wires: ['pixels'] }, 4],
    ['takes pictures as they are', sees, { ...noLogprobs, wires: ['original'] }, 4],
  ])('an upstream that %s gets images', async (_, model, fields, tests) => {
    const { app, seen } = appOf(model, fields);
    expect((await ask(app)).status).toBe(200);
    expect((await ask(app)).status).toBe(200);
    expect(seen).toEqual({ tests, questions: 2 });
  });

  it.each<[string, Model, RegExp]>([
    ['drops them', drops, /does not see images: a picture added 0 prompt tokens, and must add at least 64/],
    ['ignores them', ignores, /does not see images: two pictures got the same answer with the same logprobs/],
    ['may be weak or blind', isWeak, /not proven to see images: two pictures got the same answer/],
    ['breaks off its last answer', breaksOff, /not proven to see images: it could not be asked: .*cut off/],
    ['answers as it likes', isFickle, /not proven to see images: the same picture got two different answers/],
  ])('one that %s gets none, and the client is told', async (_, model, words) => {
    for (const stream of [true, false]) {
      const { app, seen } = appOf(model);
      const response = await app.chat({ ...question('What?', dataUrl(picture)), stream });
      expect([response.status, response.headers.get('x-vora-attempts')]).toEqual([502, 'upstream=unfit']);
      expect(await response.json()).toMatchObject({
        error: { code: 'upstream_blind', message: expect.stringMatching(words) as string },
      });
      expect(seen.questions).toBe(0);
      expect((await app.chat(question('Hi'))).status).toBe(200);
    }
  });

  it('the questions are one without a picture, two about the same and one about another, all at temperature 0', async () => {
    const served = serve(sees);
    const asked: { image: string; temperature: number }[] = [];
    const app = testApp(
      {
        async fetch(url, init) {
          const text = await new Response(init.body ?? null).text();
          const { temperature } = JSON.parse(text) as { temperature: number };
          asked.push({ image: /"image_embeds":"([^"]+)"/.exec(text)?.[1] ?? '', temperature });
          return served.fetch(url, { ...init, body: text });
        },
      },
      { config: testConfig({ selfTest: 'require', upstreams: [testUpstream(noLogprobs)] }) },
    );
    await app.chat({ ...question('What?', dataUrl(picture)), temperature: 1 });
    expect(asked.map(({ temperature }) => temperature)).toEqual([0, 0, 0, 0, 1]);
    const [none, first, again, second] = asked.map(({ image }) => image);
    expect([none, first === again, first === second, second === '']).toEqual(['', true, false, false]);
  });

  it('one that refuses logprobs is asked without', async () => {
    const served = serve(sees);
    const app = testApp(
      {
        async fetch(url, init) {
          const text = await new Response(init.body ?? null).text();
          return text.includes('logprobs')
            ? Response.json({ error: { message: 'what are logprobs?' } }, { status: 400 })
            : served.fetch(url, { ...init, body: text });
        },
      },
      { config: testConfig({ selfTest: 'require', upstreams: [testUpstream()] }) },
    );
    expect((await ask(app)).status).toBe(200);
  });

  it('one that cannot be asked gets none, and is not blamed for it', async () => {
    const { app } = appOf(sees, {}, { fetch: async () => Promise.reject(new Error('down')) });
    expect(await (await ask(app)).text()).toMatch(/not proven to see images: it could not be asked/);
  });

  it('another that sees answers instead of it', async () => {
    const [blind, seeing] = [serve(drops), serve(sees)];
    const upstreams = ['blind', 'seeing'].map((name, i) =>
      testUpstream({ name, url: `http://${name}`, weight: 1000 ** -i }),
    );
    const app = testApp(
      { fetch: (url, init) => (url.includes('blind') ? blind : seeing).fetch(url, init) },
      { config: testConfig({ selfTest: 'require', upstreams }) },
    );
    expect((await ask(app)).headers.get('x-vora-attempts')).toBe('blind=unfit, seeing=ok');
    expect((await app.chat(question('Hi'))).headers.get('x-vora-attempts')).toBe('blind=ok');
  });

  it('a proof holds for an hour, anything else for a minute', async () => {
    for (const [model, keptMs] of [
      [sees, SELF_TEST_PROOF_MS],
      [isWeak, SELF_TEST_RETRY_MS],
    ] as const) {
      let now = 1000;
      const { app, seen } = appOf(model, noLogprobs, { now: () => now });
      await ask(app);
      now += keptMs - 1;
      await ask(app);
      expect(seen.tests).toBe(4);
      now += 1;
      await ask(app);
      expect(seen.tests).toBe(8);
    }
  });
});

describe('where it is not required', () => {
  it('nobody is tested by a request', async () => {
    const served = serve(isWeak);
    expect((await ask(testApp(served))).status).toBe(200);
    expect(served.seen.tests).toBe(0);
  });

  it.each<[string, Model, string | null]>([
    ['sees', sees, null],
    ['may be weak', isWeak, null],
    ['drops images', drops, 'does not see images'],
  ])('a check finds out whether an upstream %s', async (_, model, fault) => {
    const served = serve(model);
    const check = upstreamCheck(testApp(served).deps, testUpstream({ wires: ['pixels'] }), () => {});
    const found = await check().catch((error: unknown) => String(error));
    expect(found ?? '').toContain(fault ?? '');
    expect(found === undefined).toBe(fault === null);
  });

  it('an upstream of text only needs no eyes', async () => {
    const served = serve(drops);
    const can = new Set(PROFILES.vllm.can.filter((capability) => capability !== 'images'));
    await upstreamCheck(testApp(served).deps, testUpstream({ can }), () => {})();
    expect(served.seen.tests).toBe(0);
  });
});
