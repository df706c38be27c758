import { describe, expect, it } from 'vitest';
import { imageMemory } from '../../worker/image-memory.ts';
import type { Config } from '../../worker/env.ts';
import { ANYBODY, keyOwner, tenantOwner } from '../../worker/owner.ts';
import { holdOwnerNames, ownerNames } from '../../worker/owner-names.ts';
import { PROFILES } from '../../src/core/upstream/capability.ts';
import type { Upstream } from '../../worker/upstream-config.ts';
import { type Call, fakeUpstream, type FakeUpstream, goodAnswer, type Script } from './fake-upstream.ts';
import { repositoryFile } from './repository-file.ts';
import { bundle, dataUrl, question, testApp, type TestApp, testConfig, testUpstream } from './test-app.ts';

const picture = dataUrl(await repositoryFile('test/fixtures/golden/images/png-rgb.png'));
const other = dataUrl(await repositoryFile('test/fixtures/golden/images/png-grey.png'));

/** A key that a test's images are remembered under: no two tests share any. */
let secrets = 0;

function appOf(
  upstream: Pick<FakeUpstream, 'fetch'>,
  fields: Partial<Upstream> = {},
  { secret = `s${secrets++}`, ...config }: { secret?: string } & Partial<Config> = {},
): TestApp {
  const written: Promise<void>[] = [];
  const memory = imageMemory(caches.default);
  const noted = (work: Promise<void>): Promise<void> => {
    written.push(work);
    return work;
  };
  const app = testApp(upstream, {
    config: testConfig({ upstreams: [testUpstream(fields)], ...config }),
    ownerNames: holdOwnerNames(secret),
    imageMemory: {
      ...memory,
      keep: (...args) => noted(memory.keep(...args)),
      noteSent: (...args) => noted(memory.noteSent(...args)),
    },
  });
  return {
    ...app,
    // What outlives an answer is there when the next question is asked.
    async chat(...args) {
      const response = await app.chat(...args);
      await Promise.all(written);
      return response;
    },
  };
}

interface SentPart {
  type: string;
  uuid?: string;
  image_embeds?: string | null;
  image_url?: { url: string } | null;
}

function imagesOf({ body }: Call | undefined = { body: {} } as Call): SentPart[] {
  const messages = (body['messages'] ?? []) as { content: SentPart[] | string }[];
  return messages
    .flatMap(({ content }) => (typeof content === 'string' ? [] : content))
    .filter(({ type }) => type !== 'text');
}

const notStored = (): Response =>
  Response.json(
    { error: { message: 'no', type: 'invalid_request_error', param: 'x', code: 'image_not_stored' } },
    { status: 400 },
  );

const twoTurns = (url: string) => ({
  ...question('What?', url),
  messages: [
    ...question('What?', url).messages,
    { role: 'assistant', content: 'Hello you' },
    { role: 'user', content: 'And?' },
  ],
});

describe('the second turn of a chat about an image', () => {
  it.each(['image_embeds', 'pixels', 'original'] as const)('sends no image bytes by %s, and says so', async (wire) => {
    const upstream = fakeUpstream(goodAnswer());
    const app = appOf(upstream, { wires: [wire] });
    const first = await app.chat(question('What?', picture));
    expect(first.headers.get('x-vora-wire')).toMatch(
      new RegExp(`^${wire};images=1;held=0;cached=0;bytes=[1-9]\\d+;why="its only form"$`),
    );
    const second = await app.chat(twoTurns(picture));
    expect(second.status).toBe(200);
    expect(second.headers.get('x-vora-wire')).toBe(`${wire};images=1;held=1;cached=0;bytes=0;why="its only form"`);
    const [sent, referred] = upstream.calls.map((call) => imagesOf(call)[0]);
    expect(sent?.uuid).toMatch(/^[0-9a-f]{64}$/);
    const field = wire === 'image_embeds' ? 'image_embeds' : 'image_url';
    expect(referred).toEqual({ type: field, [field]: null, uuid: sent?.uuid });
    expect(upstream.calls[1]?.byteLength).toBeLessThan(1000);
    // Neither decoded nor embedded again.
    expect(second.headers.get('server-timing')).not.toMatch(/decode|embed/);
    const salts = upstream.calls.map(({ body }) => body['cache_salt']);
    expect(salts[0]).toMatch(/^[0-9a-f]{64}$/);
    expect(salts[1]).toBe(salts[0]);
  });

  it('checks still that the model server counted the image', async () => {
    const short: Script = goodAnswer(10);
    const app = appOf(fakeUpstream(goodAnswer(), short));
    await app.chat(question('What?', picture));
    expect((await app.chat(twoTurns(picture))).status).toBe(502);
  });

  it('sends the image again by itself where it is held no more, by the cached embeddings', async () => {
    const upstream = fakeUpstream(goodAnswer(), notStored, goodAnswer());
    const app = appOf(upstream);
    await app.chat(question('What?', picture));
    const response = await app.chat(twoTurns(picture));
    expect(response.status).toBe(200);
    expect(response.headers.get('x-vora-wire')).toMatch(/^image_embeds;images=1;held=0;cached=1;bytes=[1-9]/);
    const [first, refused, again] = upstream.calls.map((call) => imagesOf(call)[0]);
    expect(refused?.image_embeds).toBeNull();
    expect(again).toEqual(first);
    await app.chat(twoTurns(picture));
    expect(imagesOf(upstream.calls[3])[0]?.image_embeds).toBeNull();
  });

  it('asks vLLM again after any refusal of a reference, once', async () => {
    const refusal = (): Response => Response.json({ error: { message: 'Cached item missing' } }, { status: 500 });
    const upstream = fakeUpstream(goodAnswer(), refusal, goodAnswer(), refusal, refusal);
    const app = appOf(upstream, { server: 'vllm' });
    await app.chat(question('What?', picture));
    expect((await app.chat(twoTurns(picture))).status).toBe(200);
    const before = upstream.calls.length;
    expect((await app.chat(twoTurns(picture))).status).toBeGreaterThanOrEqual(500);
    expect(imagesOf(upstream.calls[before])[0]?.image_embeds).toBeNull();
    expect(imagesOf(upstream.calls[before + 1])[0]?.image_embeds).not.toBeNull();
  });

  it('is told in full, and in nothing but OpenAI’s words, to a server of another kind', async () => {
    const upstream = fakeUpstream(goodAnswer());
    const app = appOf(upstream, { server: 'openai', wires: ['pixels'], can: new Set(PROFILES.openai.can) });
    await app.chat(question('What?', picture));
    await app.chat(twoTurns(picture));
    for (const call of upstream.calls) {
      expect(Object.keys(call.body).sort()).toEqual(['messages', 'model', 'stream', 'stream_options']);
      expect(call.body['stream_options']).toEqual({ include_usage: true });
      const url = expect.stringMatching(/^data:image\/png;base64,/) as string;
      expect(imagesOf(call)).toEqual([{ type: 'image_url', image_url: { url, detail: 'auto' } }]);
    }
  });

  it('does not send anything twice for a refusal that has another reason', async () => {
    const refusal = (): Response =>
      Response.json(
        { error: { message: 'no', type: 'invalid_request_error', param: null, code: 'other' } },
        { status: 400 },
      );
    const upstream = fakeUpstream(goodAnswer(), refusal);
    const app = appOf(upstream);
    await app.chat(question('What?', picture));
    expect((await app.chat(twoTurns(picture))).status).toBe(400);
    expect(upstream.calls).toHaveLength(2);
  });
});

describe('an image that was shown before', () => {
  it('is known by its bytes: another one is made and sent', async () => {
    const upstream = fakeUpstream(goodAnswer());
    const app = appOf(upstream);
    await app.chat(question('What?', picture));
    await app.chat(question('What?', other));
    const [first, second] = upstream.calls.map((call) => imagesOf(call)[0]);
    expect(second?.image_embeds).toEqual(expect.any(String));
    expect(second?.uuid).not.toBe(first?.uuid);
  });

  it('is a miss for another owner, another deployment, another model server', async () => {
    const upstream = fakeUpstream(goodAnswer());
    const secret = `shared${secrets++}`;
    await appOf(upstream, {}, { secret }).chat(question('What?', picture));
    const kept = await appOf(upstream, { name: 'another' }, { secret }).chat(question('What?', picture));
    expect(kept.headers.get('x-vora-wire')).toMatch(/held=0;cached=1/);
    const apart = await appOf(upstream).chat(question('What?', picture));
    expect(apart.headers.get('x-vora-wire')).toMatch(/held=0;cached=0/);
    const [first, second, third] = upstream.calls.map((call) => [imagesOf(call)[0]?.uuid, call.body['cache_salt']]);
    expect(second).toEqual(first);
    expect(third?.[0]).not.toBe(first?.[0]);
    expect(third?.[1]).not.toBe(first?.[1]);
  });

  it('is sent without names to a server that knows none, and made once all the same', async () => {
    const upstream = fakeUpstream(goodAnswer());
    const { can } = testUpstream();
    const app = appOf(upstream, { can: new Set([...can].filter((one) => one !== 'image_uuids')) });
    await app.chat(question('What?', picture));
    const second = await app.chat(twoTurns(picture));
    expect(second.headers.get('x-vora-wire')).toMatch(/held=0;cached=1/);
    const [a, b] = upstream.calls.map((call) => imagesOf(call)[0]);
    expect(Object.keys(a ?? {})).toEqual(['type', 'image_embeds']);
    expect(b).toEqual(a);
  });

  it('is made anew where the cache fails', async () => {
    const upstream = fakeUpstream(goodAnswer());
    const fails = () => Promise.reject(new Error('no cache here'));
    const app = testApp(upstream, {
      ownerNames: holdOwnerNames(''),
      imageMemory: imageMemory({ match: fails, put: fails, delete: fails }),
    });
    for (const turn of [question('What?', picture), twoTurns(picture)]) {
      const response = await app.chat(turn);
      expect([response.status, response.headers.get('x-vora-wire')]).toEqual([
        200,
        expect.stringMatching(/held=0;cached=0/),
      ]);
    }
  });

  it('is made anew when the bundle is of other weights or another size', async () => {
    const manifest = await bundle.manifest();
    const names: (string | undefined)[] = [];
    for (const vision of [
      manifest.vision,
      { ...manifest.vision, sha256: 'f'.repeat(64) },
      { ...manifest.vision, resize: { mode: 'native', minPixels: 196, maxPixels: 196 * 64 } as const },
    ]) {
      const upstream = fakeUpstream(goodAnswer());
      const app = appOf(upstream, { wires: ['pixels'] }, { secret: 'one bundle after another' });
      app.deps.bundle = { ...bundle, manifest: () => Promise.resolve({ ...manifest, vision }) };
      await app.chat(question('What?', picture));
      names.push(imagesOf(upstream.calls[0])[0]?.uuid);
    }
    expect(new Set(names).size).toBe(3);
  });

  it.each(['image_embeds', 'pixels', 'original'] as const)('is another one at another detail, by %s', async (wire) => {
    const manifest = await bundle.manifest();
    const resize = { mode: 'by-detail', minPixels: 196, maxPixels: 196 * 144 } as const;
    const vision = { ...manifest.vision, resize };
    const ask = (app: TestApp, detail: string) => {
      const image = { type: 'image_url', image_url: { url: picture, detail } };
      return app.chat({ messages: [{ role: 'user', content: [image, { type: 'text', text: '?' }] }] });
    };
    const upstream = fakeUpstream(goodAnswer());
    const app = appOf(upstream, { wires: [wire] });
    app.deps.bundle = { ...bundle, manifest: () => Promise.resolve({ ...manifest, vision }) };
    expect((await ask(app, 'auto')).headers.get('x-vora-wire')).toMatch(/held=0;cached=0/);
    expect((await ask(app, 'high')).headers.get('x-vora-wire')).toMatch(/held=0;cached=0/);
    expect((await ask(app, 'high')).headers.get('x-vora-wire')).toMatch(/held=1;cached=0;bytes=0/);
    const [auto, high, again] = upstream.calls.map((call) => imagesOf(call)[0]?.uuid);
    expect(high).not.toBe(auto);
    expect(again).toBe(high);
  });

  it('is of no concern where nothing may be remembered', async () => {
    const upstream = fakeUpstream(goodAnswer());
    const app = testApp(upstream);
    await app.chat(question('What?', picture));
    await app.chat(question('What?', picture));
    for (const call of upstream.calls) {
      expect(imagesOf(call)[0]).toEqual({ type: 'image_embeds', image_embeds: expect.any(String) });
      expect(call.body).not.toHaveProperty('cache_salt');
    }
  });
});

describe('two keys of one worker', () => {
  it('share no image and no prompt', async () => {
    const upstream = fakeUpstream(goodAnswer());
    const sha256 = async (key: string) =>
      new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(key)));
    const listed = [
      { id: 'one', sha256: await sha256('key-one') },
      { id: 'two', sha256: await sha256('key-two') },
    ];
    const app = appOf(upstream, {}, { keys: { listed, store: null } });
    const ask = (key: string) => app.chat(question('What?', picture), { headers: { authorization: `Bearer ${key}` } });
    await ask('key-one');
    expect((await ask('key-two')).headers.get('x-vora-wire')).toMatch(/held=0;cached=0/);
    expect((await ask('key-one')).headers.get('x-vora-wire')).toMatch(/held=1/);
    const [one, two] = upstream.calls.map((call) => [imagesOf(call)[0]?.uuid, call.body['cache_salt']]);
    expect(one?.[0]).not.toBe(two?.[0]);
    expect(one?.[1]).not.toBe(two?.[1]);
  });
});

describe('names of an owner', () => {
  it('are those of no other owner, deployment, form, weights or file', async () => {
    const file = Uint8Array.of(1, 2, 3);
    const settings = { retentionSeconds: 60 };
    const owners = [ANYBODY, keyOwner('x'), keyOwner('y'), tenantOwner('x', settings), tenantOwner('y', settings)];
    const names: string[] = [];
    for (const { name } of owners) {
      for (const secret of ['', 'secret']) {
        const owner = ownerNames(secret, name);
        names.push(await owner.salt(), await owner.image(file, 'pixels a'), await owner.image(file, 'pixels b'));
        names.push(await owner.image(file, 'image_embeds a'), await owner.image(Uint8Array.of(1, 2, 4), 'pixels a'));
      }
    }
    expect(new Set(names).size).toBe(names.length);
    expect(names.every((name) => /^[0-9a-f]{64}$/.test(name))).toBe(true);
    expect(await ownerNames('', 'x').image(file, 'pixels a')).toBe(await ownerNames('', 'x').image(file, 'pixels a'));
  });
});
