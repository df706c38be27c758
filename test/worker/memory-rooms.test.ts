import { describe, expect, it } from 'vitest';
import { PROFILES } from '../../src/core/upstream/capability.ts';
import { createRoom } from '../../worker/room.ts';
import { fakeUpstream, goodAnswer, HANG, RESET, type Script, textEvent } from './fake-upstream.ts';
import { repositoryFile } from './repository-file.ts';
import { dataUrl, EDGE_BUNDLE, question, testApp, testConfig, testUpstream } from './test-app.ts';

const PNG = await repositoryFile('test/fixtures/golden/images/png-rgb.png');
const JPEG = await repositoryFile('test/fixtures/golden/images/jpeg-444.jpg');
const { vision, llm } = JSON.parse(new TextDecoder().decode(await repositoryFile(`${EDGE_BUNDLE}vora.json`))) as {
  vision: { imageSize: number; patchSize: number };
  llm: { hiddenSize: number };
};
const EMBEDDINGS_BYTES = (vision.imageSize / vision.patchSize) ** 2 * llm.hiddenSize * 2;
const ROOM_BYTES = 500_000;
const WAIT_MS = 60_000;
/** Bytes behind its end are no part of a picture. */
function padded(file: Uint8Array, bytes: number): Uint8Array<ArrayBuffer> {
  const longer = new Uint8Array(file.length + bytes);
  longer.set(file);
  return longer;
}

const settle = () => scheduler.wait(30);

function rooms({ incoming = ROOM_BYTES, made = ROOM_BYTES, downloads = ROOM_BYTES, waitMs = WAIT_MS } = {}) {
  return {
    incoming: createRoom(incoming, waitMs),
    made: createRoom(made, waitMs),
    downloads: createRoom(downloads, waitMs),
  };
}

/** A chat whose body has about so many bytes. */
function textOf(name: string, bytes: number) {
  return { model: 'vora-random', messages: [{ role: 'user', content: name.padEnd(bytes, '.') }] };
}

/** An upstream that answers each call when it is told to. */
function patientUpstream() {
  const begun: string[] = [];
  const answers: (() => void)[] = [];
  const upstream = fakeUpstream(goodAnswer());
  return {
    begun,
    answerNext: () => answers.shift()?.(),
    upstream: {
      async fetch(url: string, init: RequestInit) {
        const request = new Request(url, { method: 'POST', body: init.body ?? null });
        const text = await request.text();
        begun.push(/"text":"(\w+)/.exec(text)?.[1] ?? 'picture');
        await new Promise<void>((resolve) => answers.push(resolve));
        return upstream.fetch(url, { ...init, body: text });
      },
    },
  };
}

/** Its length declared, as clients do. */
function post(app: ReturnType<typeof testApp>, body: object, signal?: AbortSignal): Promise<Response> {
  const text = JSON.stringify(body);
  const headers = { 'content-length': String(new TextEncoder().encode(text).length) };
  return app.fetch('/v1/chat/completions', { method: 'POST', body: text, headers, ...(signal && { signal }) });
}

describe('the memory of an isolate', () => {
  it('takes large bodies as they fit, in their order; small ones never wait', async () => {
    const { upstream, begun, answerNext } = patientUpstream();
    const app = testApp(upstream, { rooms: rooms() });
    const large = ['a', 'b', 'c', 'd'].map((name) => post(app, textOf(name, 200_000)));
    const small = post(app, textOf('small', 1000));
    await settle();
    expect(begun.toSorted((a, b) => a.localeCompare(b))).toEqual(['a', 'b', 'small']);
    while (begun.length < 5) {
      answerNext();
      await settle();
    }
    expect(begun.slice(3)).toEqual(['c', 'd']);
    answerNext();
    answerNext();
    const statuses = (await Promise.all([...large, small])).map(({ status }) => status);
    expect(statuses).toEqual([200, 200, 200, 200, 200]);
  });

  it('is all for a body larger than the room, when nobody else is in', async () => {
    const { upstream, begun, answerNext } = patientUpstream();
    const app = testApp(upstream, { rooms: rooms() });
    const answers = [textOf('a', 200_000), textOf('huge', 900_000), textOf('b', 200_000)].map((body) =>
      post(app, body),
    );
    for (const expected of [['a'], ['a', 'huge'], ['a', 'huge', 'b']]) {
      await settle();
      expect(begun).toEqual(expected);
      answerNext();
    }
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  it('is 503 for who waits too long, and free for who comes after', async () => {
    const { upstream, answerNext } = patientUpstream();
    const app = testApp(upstream, { rooms: rooms({ waitMs: 50 }) });
    const first = post(app, textOf('a', 400_000));
    const late = await post(app, textOf('b', 400_000));
    expect(late.status).toBe(503);
    expect(late.headers.get('retry-after')).toBe('1');
    expect(late.headers.get('x-should-retry')).toBe('true');
    expect(await late.json()).toMatchObject({ error: { code: 'overloaded' } });
    answerNext();
    expect((await first).status).toBe(200);
    const next = post(app, textOf('c', 400_000));
    await settle();
    answerNext();
    expect((await next).status).toBe(200);
  });

  it('is not waited for by a client that left', async () => {
    const { upstream, begun, answerNext } = patientUpstream();
    const app = testApp(upstream, { rooms: rooms() });
    const leaver = new AbortController();
    const first = post(app, textOf('a', 300_000));
    const left = post(app, textOf('b', 400_000), leaver.signal);
    const third = post(app, textOf('c', 100_000));
    await settle();
    expect(begun).toEqual(['a']);
    leaver.abort();
    await left.catch(() => undefined);
    await settle();
    expect(begun).toEqual(['a', 'c']);
    answerNext();
    answerNext();
    expect([(await first).status, (await third).status]).toEqual([200, 200]);
  });

  it('holds what was made of pictures until it is sent, and not until the answer', async () => {
    const { upstream, begun, answerNext } = patientUpstream();
    const reading = Array.from({ length: 3 }, () => Promise.withResolvers<void>());
    let calls = 0;
    const app = testApp(
      {
        async fetch(url, init) {
          await reading[calls++]?.promise;
          return upstream.fetch(url, init);
        },
      },
      { rooms: rooms({ made: 2.5 * EMBEDDINGS_BYTES }) },
    );
    const ask = () => post(app, { model: 'vora-random', ...question('What?', dataUrl(PNG)) });
    const answers = [ask(), ask(), ask()];
    await expect.poll(() => calls).toBe(2);
    await settle();
    expect(calls).toBe(2);
    reading[0]?.resolve();
    await expect.poll(() => calls).toBe(3);
    expect(begun).toHaveLength(1);
    reading[1]?.resolve();
    reading[2]?.resolve();
    await expect.poll(() => begun.length).toBe(3);
    for (const _ of answers) {
      answerNext();
    }
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  it('is not held for a picture that a slow host has yet to send', { timeout: 5000 }, async () => {
    const model = fakeUpstream(goodAnswer());
    const silent = async ({ signal }: RequestInit) =>
      new Promise<Response>((_, reject) => signal?.addEventListener('abort', () => reject(new Error('aborted'))));
    const app = testApp(
      { fetch: async (url, init) => (url.includes('slow') ? silent(init) : model.fetch(url, init)) },
      { rooms: rooms({ made: EMBEDDINGS_BYTES }) },
    );
    const leaver = new AbortController();
    const waiting = app.chat(question('What?', 'https://slow.example/a.jpg'), { signal: leaver.signal });
    await settle();
    expect((await app.chat(question('What?', dataUrl(PNG)))).status).toBe(200);
    leaver.abort();
    await waiting.catch(() => undefined);
  });

  it('takes large files from elsewhere as they fit', async () => {
    const file = padded(JPEG, 300_000);
    const reading: ReadableStreamDefaultController[] = [];
    const model = fakeUpstream(goodAnswer());
    const app = testApp(
      {
        async fetch(url, init) {
          if (url.includes('upstream')) {
            return model.fetch(url, init);
          }
          const body = new ReadableStream({ pull: (out) => void reading.push(out) }, { highWaterMark: 0 });
          return new Response(body, { headers: { 'content-length': String(file.length) } });
        },
      },
      { rooms: rooms() },
    );
    const answers = [1, 2].map((n) => app.chat(question('What?', `https://images.example/${n}.jpg`)));
    await expect.poll(() => reading.length).toBe(1);
    await settle();
    expect(reading).toHaveLength(1);
    for (let read = 0; read < 2; read++) {
      await expect.poll(() => reading.length).toBe(read + 1);
      reading[read]?.enqueue(file);
      reading[read]?.close();
    }
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200]);
  });

  it('is never waited for by two who hold what the other wants', { timeout: 5000 }, async () => {
    const file = padded(JPEG, 300_000);
    const model = fakeUpstream(goodAnswer());
    const late = Promise.withResolvers<void>();
    let isRead = false;
    const app = testApp(
      {
        async fetch(url, init) {
          if (url.includes('upstream')) {
            return model.fetch(url, init);
          }
          if (url.includes('late')) {
            await late.promise;
          }
          const pull = (out: ReadableStreamDefaultController) => {
            isRead = true;
            out.enqueue(file);
            out.close();
          };
          const body = new ReadableStream({ pull }, { highWaterMark: 0 });
          return new Response(body, { headers: { 'content-length': String(file.length) } });
        },
      },
      { rooms: rooms({ made: 2.5 * EMBEDDINGS_BYTES }) },
    );
    // It holds room for what is made, and has a download before it.
    const one = app.chat(question('What?', dataUrl(PNG), 'https://late.example/b.jpg'));
    await settle();
    // It holds its download, and waits for room for what is made.
    const other = app.chat(question('What?', 'https://images.example/a.jpg'));
    await expect.poll(() => isRead).toBe(true);
    await settle();
    late.resolve();
    expect([(await one).status, (await other).status]).toEqual([200, 200]);
  });

  it('is not given back while a hedge still reads it', async () => {
    const can = new Set(PROFILES.openai.can);
    const upstreams = ['a', 'b'].map((name) => testUpstream({ name, wires: ['image_embeds'], can }));
    const config = testConfig({ upstreams, hedgeAfterMs: 1 });
    const slow = Promise.withResolvers<void>();
    const read = Promise.withResolvers<void>();
    const model = fakeUpstream(goodAnswer());
    let calls = 0;
    const app = testApp(
      {
        async fetch(url, init) {
          if ((calls += 1) === 1) {
            await slow.promise;
            const call = await model.fetch(url, init);
            read.resolve();
            return call;
          }
          const call = await model.fetch(url, init);
          await settle();
          slow.resolve();
          await read.promise;
          return call;
        },
      },
      { rooms: rooms(), config },
    );
    expect((await app.chat(question('What?', dataUrl(PNG)))).status).toBe(200);
    const [hedge, first] = model.calls.map(({ body }) => JSON.stringify(body['messages']));
    expect(model.calls).toHaveLength(2);
    expect(first === hedge).toBe(true);
  });

  const large = dataUrl(padded(JPEG, 200_000));
  const broken = `${large.slice(0, -8)}????????`;
  it.each<[string, object | string, Script, ('cancel' | 'leave')?]>([
    ['a whole answer', question('What?', large), goodAnswer()],
    ['a stream', { ...question('What?', large), stream: true }, goodAnswer()],
    ['a stream that nobody reads on', { ...question('What?', large), stream: true }, [textEvent('a'), HANG], 'cancel'],
    ['a stream that breaks', { ...question('What?', large), stream: true }, [textEvent('a'), RESET]],
    ['an answer that breaks', question('What?', large), [textEvent('a'), RESET]],
    ['a client that leaves', question('What?', large), HANG, 'leave'],
    ['a server that refuses', question('What?', large), () => new Response(null, { status: 400 })],
    ['a server that cannot be reached', question('What?', large), new Error('refused')],
    ['no base64', question('What?', broken), goodAnswer()],
    ['an unknown field', { ...question('What?', large), unknown: 1 }, goodAnswer()],
    ['no JSON', `{"messages": "${'x'.repeat(200_000)}`, goodAnswer()],
    ['too large a body', 'x'.repeat(40_000_000), goodAnswer()],
  ])('is free again after %s', async (_, asked, script, end) => {
    const config = testConfig({ upstreams: [testUpstream({ wires: ['image_embeds'] })] });
    const own = rooms({ waitMs: 100 });
    const app = testApp(fakeUpstream(script), { rooms: own, config });
    const leaver = new AbortController();
    const body = typeof asked === 'string' ? asked : JSON.stringify({ model: 'vora-random', ...asked });
    const answer = app.fetch('/v1/chat/completions', { method: 'POST', body, signal: leaver.signal });
    if (end === 'leave') {
      await settle();
      leaver.abort();
      await answer.catch(() => undefined);
    } else if (end === 'cancel') {
      await (await answer).body?.cancel();
    } else {
      await (await answer).text();
    }
    const { signal } = new AbortController();
    const entered = Object.values(own).map((room) => room.enter(10 * ROOM_BYTES, signal));
    expect(await Promise.all(entered)).toHaveLength(3);
  });
});

describe('a picture in a large body', () => {
  const picture = dataUrl(padded(JPEG, 200_000));

  async function sent(body: object): Promise<string> {
    const upstream = fakeUpstream(goodAnswer());
    expect((await testApp(upstream).chat(body)).status).toBe(200);
    return JSON.stringify(upstream.calls[0]?.body['messages']);
  }

  it('is sent as it would be in a small one', async () => {
    const small = dataUrl(JPEG);
    expect((await sent(question('What?', picture))) === (await sent(question('What?', small)))).toBe(true);
  });

  it('leaves a text alone that is a data URL itself', async () => {
    const body = { messages: [{ role: 'user', content: [{ type: 'text', text: picture }] }] };
    const both = question(picture, picture);
    expect((await sent(body)).includes(picture)).toBe(true);
    expect((await sent(both)).includes(picture)).toBe(true);
  });

  it.each([
    ['no base64', `${picture.slice(0, -8)}?${picture.slice(-7)}`, /^base64 character \d+: found code 0x3f|0x3f/],
    ['base64 that is cut off', picture.slice(0, -1), /multiple of 4/],
  ])('is refused with its place where it is %s', async (_, url, message) => {
    const response = await testApp(fakeUpstream(goodAnswer())).chat(question('What?', url));
    expect(response.status).toBe(400);
    const { error } = await response.json<{ error: { param: string; message: string } }>();
    expect(error.param).toBe('messages[0].content[0].image_url.url');
    expect(error.message).toMatch(message);
  });

  it('cannot be named by a client', async () => {
    const response = await testApp(fakeUpstream(goodAnswer())).chat(question('What?', picture, 'cid:0'));
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code: 'invalid_image_url' } });
  });

  it.each([false, true])('goes to another server though its body is let go of (stream: %s)', async (stream) => {
    const upstreams = [
      testUpstream({ name: 'a', wires: ['image_embeds'] }),
      testUpstream({ name: 'b', wires: ['image_embeds'] }),
    ];
    const upstream = fakeUpstream([RESET], goodAnswer());
    const app = testApp(upstream, { rooms: rooms(), config: testConfig({ upstreams }) });
    const response = await app.chat({ ...question('What?', picture), stream });
    expect(await response.text()).toContain(stream ? '[DONE]' : 'Hello you');
    const [first, second] = upstream.calls.map(({ body }) => JSON.stringify(body['messages']));
    const expected = await sent(question('What?', picture));
    expect([first === expected, second === expected]).toEqual([true, true]);
  });
});
