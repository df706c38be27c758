import { afterEach, describe, expect, it, vi } from 'vitest';
import { IMAGE_FETCH_TIMEOUT_MS, IMAGE_MAX_BYTES, IMAGE_REDIRECTS_MAX } from '../../src/core/limits.ts';
import { fakeUpstream, goodAnswer } from './fake-upstream.ts';
import { repositoryFile } from './repository-file.ts';
import { question, testApp } from './test-app.ts';

const picture = await repositoryFile('test/fixtures/golden/images/png-rgb.png');
const MODEL = 'vora-random';
const MEGABYTE = 1024 * 1024;
/** A stream of the network and a reader hold some of it between them. */
const READ_AHEAD_BYTES = 4 * MEGABYTE;

/** Every door through which a URL comes in, and the field that its refusal names. */
const DOORS: [string, string, (url: string) => object | string, string][] = [
  ['a chat', '/v1/chat/completions', (url) => question('What?', url), 'messages[0].content[0].image_url.url'],
  [
    'a frame of a video',
    '/v1/chat/completions',
    (url) => ({ messages: [{ role: 'user', content: [{ type: 'video', video: [url] }] }] }),
    'messages[0].content[0].video[0]',
  ],
  [
    'a response',
    '/v1/responses',
    (url) => ({ input: [{ role: 'user', content: [{ type: 'input_image', image_url: url }] }] }),
    'input[0].content[0].image_url',
  ],
  ['a caption', '/v1/caption', (url) => ({ image: url }), 'image'],
  ['a text to read', '/v1/ocr', (url) => ({ image: url }), 'image'],
  ['a question', '/v1/vqa', (url) => ({ image: url, question: 'What?' }), 'image'],
  ['the playground', '/playground/view', (url) => url, 'url'],
];

/** One URL for each rule. */
const REFUSED: [string, string][] = [
  ['is not https:', 'http://a.example/'],
  ['it holds a user name or password', 'https://me@a.example/'],
  ['it names a port', 'https://a.example:8443/'],
  ['its host is an IP address', 'https://127.0.0.1/'],
  ['its host is an IP address', 'https://[::1]/'],
  ['its host is not a public name', 'https://localhost./'],
  ['its host is not a public name', 'https://metadata.google.internal/'],
];

type Host = (url: string, init: RequestInit) => Response | Promise<Response>;

/** The worker between a host of pictures and a model server. */
function line(host: Host) {
  const upstream = fakeUpstream(goodAnswer());
  const fetched: { url: string; headers: [string, string][]; redirect: string; signal: AbortSignal }[] = [];
  const app = testApp({
    async fetch(url, init) {
      if (url.startsWith('http://upstream.test/')) {
        return upstream.fetch(url, init);
      }
      const { headers, redirect, signal } = new Request(url, init);
      fetched.push({ url, headers: [...headers], redirect, signal });
      return host(url, init);
    },
  });
  return {
    upstream,
    fetched,
    outcomes: app.outcomes,
    ask: (
      path: string,
      body: object | string,
      { headers = {}, signal = null }: { headers?: Record<string, string>; signal?: AbortSignal | null } = {},
    ) =>
      app.fetch(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        signal,
        body: typeof body === 'string' ? body : JSON.stringify({ model: MODEL, ...body }),
      }),
    chat: (url: string) => app.chat(question('What?', url)),
  };
}

const redirect = (location: string) => new Response(null, { status: 302, headers: { location } });

async function refusalOf(response: Response) {
  const { error } = await response.json<{ error: { code: string; param: string; message: string } }>();
  return { status: response.status, ...error };
}

afterEach(() => vi.restoreAllMocks());

describe.each(DOORS)('the URL of %s', (_, path, body, param) => {
  it.each(REFUSED)('is refused where %s: %s', async (reason, url) => {
    const { ask, fetched, upstream } = line(() => new Response(picture));
    const refusal = await refusalOf(await ask(path, body(url)));
    expect(refusal).toMatchObject({ status: 400, code: 'invalid_image_url', param });
    expect(refusal.message).toContain(reason);
    expect([fetched, upstream.calls]).toEqual([[], []]);
  });

  it.each(REFUSED)('is refused where it leads to one of which %s: %s', async (reason, url) => {
    const { ask, fetched, upstream } = line(() => redirect(url));
    const refusal = await refusalOf(await ask(path, body('https://a.example/')));
    expect(refusal).toMatchObject({ status: 400, code: 'invalid_image_url', param });
    expect(refusal.message).toContain(reason);
    expect(fetched.map(({ url: seen }) => seen)).toEqual(['https://a.example/']);
    expect(upstream.calls).toEqual([]);
  });

  it('is fetched by hand, hop by hop, and no host hears of the client', async () => {
    const hops = new Map([
      ['https://a.example/x/1?q', '//b.example/y/2'],
      ['https://b.example/y/2', '3'],
    ]);
    const { ask, fetched } = line((url) => {
      const next = hops.get(url);
      return next === undefined ? new Response(picture) : redirect(next);
    });
    const headers = {
      authorization: 'Bearer secret',
      cookie: 'session=secret',
      'proxy-authorization': 'Basic c2VjcmV0',
      referer: 'https://secret.example/',
      'x-api-key': 'secret',
      'x-forwarded-for': '203.0.113.7',
      'x-request-id': 'secret',
    };
    const response = await ask(path, body('https://a.example/x/1?q'), { headers });
    expect(response.status).toBe(200);
    await response.arrayBuffer();
    // A relative address is relative to the last hop's.
    expect(fetched.map(({ url }) => url)).toEqual([...hops.keys(), 'https://b.example/y/3']);
    for (const seen of fetched) {
      expect(seen.redirect).toBe('manual');
      expect(seen.headers).toEqual([
        ['accept', 'image/jpeg, image/png, image/webp, image/avif, image/gif'],
        ['user-agent', 'vora-edge'],
      ]);
    }
  });

  it('is hung up on when the client leaves', async () => {
    const left = new AbortController();
    const { ask, fetched, outcomes, upstream } = line(async (_url, { signal }) => {
      const { promise, reject } = Promise.withResolvers<Response>();
      signal?.addEventListener('abort', () => reject(new Error('aborted')));
      left.abort();
      return promise;
    });
    const began = performance.now();
    await ask(path, body('https://a.example/'), { signal: left.signal });
    expect(performance.now() - began).toBeLessThan(IMAGE_FETCH_TIMEOUT_MS / 2);
    expect(fetched.map(({ signal }) => signal.aborted)).toEqual([true]);
    expect(outcomes).toMatchObject([{ how: 'left' }]);
    expect(upstream.calls).toEqual([]);
  });
});

describe('a host', () => {
  it('has so much time for all its redirects together', async () => {
    const timeout = AbortSignal.timeout.bind(AbortSignal);
    const asked: number[] = [];
    // A clock a hundred times as fast.
    vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => {
      asked.push(ms);
      return timeout(ms / 100);
    });
    const { chat, fetched } = line(async (_, { signal }) => {
      const { promise, resolve, reject } = Promise.withResolvers<Response>();
      signal?.addEventListener('abort', () => reject(new Error('aborted')));
      setTimeout(() => resolve(redirect('/next')), (IMAGE_FETCH_TIMEOUT_MS / 100) * 0.6);
      return promise;
    });
    const { message } = await refusalOf(await chat('https://a.example/'));
    expect(message).toContain(`no answer within ${IMAGE_FETCH_TIMEOUT_MS} ms`);
    expect(asked).toEqual([IMAGE_FETCH_TIMEOUT_MS]);
    expect(fetched.length).toBeLessThanOrEqual(2);
  });

  it('leads no further than some redirects', async () => {
    const { chat, fetched } = line((url) => redirect(`${url}a`));
    const refusal = await refusalOf(await chat('https://a.example/'));
    expect(refusal.message).toContain(`more than ${IMAGE_REDIRECTS_MAX} redirects`);
    expect(fetched).toHaveLength(1 + IMAGE_REDIRECTS_MAX);
  });

  it.each([
    ['a page that is not there', { status: 404 }, 'its host answered 404'],
    ['a part', { status: 206 }, 'its host answered 206'],
    ['a redirect', { status: 302, headers: { location: 'https://10.0.0.1/' } }, 'its host is an IP address'],
  ])('whose answer is %s is not listened to any longer', async (_, init, reason) => {
    const body = tooLong();
    const { chat } = line(() => new Response(body.stream, init));
    expect((await refusalOf(await chat('https://a.example/'))).message).toContain(reason);
    expect(body.read.cancelled).toBe(true);
    expect(body.read.bytes).toBeLessThanOrEqual(READ_AHEAD_BYTES);
  });

  it.each([
    ['does not say', {}, IMAGE_MAX_BYTES + READ_AHEAD_BYTES],
    ['says', { 'content-length': String(IMAGE_MAX_BYTES + 1) }, READ_AHEAD_BYTES],
    ['lies about', { 'content-length': '100' }, IMAGE_MAX_BYTES + READ_AHEAD_BYTES],
  ])('that sends too much, which it %s, is cut off', async (_, headers, mostBytes) => {
    const body = tooLong();
    const { chat, upstream } = line(() => new Response(body.stream, { headers }));
    expect(await refusalOf(await chat('https://a.example/'))).toMatchObject({ status: 413, code: 'image_too_large' });
    expect(body.read.cancelled).toBe(true);
    expect(body.read.bytes).toBeLessThanOrEqual(mostBytes);
    expect(upstream.calls).toEqual([]);
  });

  it('says nothing to the client by what it fails with', async () => {
    const { chat } = line(() => Promise.reject(new Error('connect ECONNREFUSED 10.1.2.3:443')));
    const { message } = await refusalOf(await chat('https://a.example/'));
    expect(message).toMatch(/its host did not answer$/);
  });
});

/** A body of far too many bytes, and what was taken of it. */
function tooLong() {
  const read = { bytes: 0, cancelled: false };
  const stream = new ReadableStream<Uint8Array>({
    pull(out) {
      read.bytes += MEGABYTE;
      out.enqueue(new Uint8Array(MEGABYTE));
      if (read.bytes > 2 * IMAGE_MAX_BYTES) {
        out.close();
      }
    },
    cancel() {
      read.cancelled = true;
    },
  });
  return { stream, read };
}
