import { describe, expect, it } from 'vitest';
import { IMAGE_MAX_BYTES } from '../../src/core/limits.ts';
import { RequestError, type Failure } from '../../src/core/protocol/failure.ts';
import { type ImageSources, loadImage } from '../../worker/load-image.ts';
import { noUploads } from '../../worker/uploads.ts';

const PARAM = 'messages[2].content[1].image_url.url';

async function failureOf(
  url: string,
  fetcher: (url: string, init: RequestInit) => Promise<Response>,
): Promise<Failure> {
  const error: unknown = await loadImage(url, PARAM, from(fetcher)).catch((thrown: unknown) => thrown);
  if (!(error instanceof RequestError)) {
    throw new Error(`${url} was loaded, or failed in another way`);
  }
  return error.failure;
}

const from = (fetch: ImageSources['fetch']): ImageSources => ({
  fetch,
  uploads: noUploads,
  enter: async () => undefined,
  signal: new AbortController().signal,
});

const never = async () => {
  throw new Error('this URL must not be fetched');
};

const DENIED = [
  'http://example.com/a.png',
  'ftp://example.com/a.png',
  'file:///etc/passwd',
  'blob:https://example.com/1',
  'javascript:alert(1)',
  'https://user:password@example.com/',
  'https://user@example.com/',
  'https://example.com:8443/',
  'https://127.0.0.1/',
  'https://2130706433/',
  'https://0x7f.1/',
  'https://0177.0.0.1/',
  'https://10.0.0.1/',
  'https://169.254.169.254/latest/meta-data',
  'https://8.8.8.8/',
  'https://[::1]/',
  'https://[::ffff:10.0.0.1]/',
  'https://[fd00::1]/',
  'https://localhost/',
  'https://LOCALHOST./',
  'https://a.localhost/',
  'https://metadata.google.internal/',
  'https://printer.local/',
  'https://router.lan/',
  'https://intranet/',
  'https://１２７.0.0.1/',
  'not a URL',
  '/relative.png',
];

describe('loadImage', () => {
  it.each(DENIED)('does not fetch %s', async (url) => {
    expect(await failureOf(url, never)).toMatchObject({ kind: 'image-unreachable', param: PARAM });
  });

  it.each(DENIED.filter((url) => /^[\x21-\x7e]+$/.test(url) && url.includes(':')))(
    'does not follow a redirect to %s',
    async (url) => {
      let calls = 0;
      const failure = await failureOf('https://example.com/', async () => {
        calls++;
        return new Response(null, { status: 302, headers: { location: url } });
      });
      expect(failure).toMatchObject({ kind: 'image-unreachable', param: PARAM });
      expect(calls).toBe(1);
    },
  );

  it('does not blame a host for time that went into waiting for room', async () => {
    const loading = loadImage('https://example.com/', PARAM, {
      ...from(async () => new Response(Uint8Array.of(1))),
      enter: () => scheduler.wait(30),
      timeoutMs: 10,
    });
    await expect(loading).rejects.toMatchObject({ failure: { kind: 'overloaded' } });
  });

  it('follows a few public redirects by hand, relative ones too', async () => {
    const seen: string[] = [];
    const bytes = await loadImage(
      'https://example.com/a',
      PARAM,
      from(async (url, init) => {
        seen.push(url);
        expect(init.redirect).toBe('manual');
        expect(new Headers(init.headers).has('authorization')).toBe(false);
        return seen.length < 3
          ? new Response(null, {
              status: 301,
              headers: { location: seen.length === 1 ? '/b' : 'https://cdn.example.net/c' },
            })
          : new Response(Uint8Array.of(1, 2, 3));
      }),
    );
    expect(seen).toEqual(['https://example.com/a', 'https://example.com/b', 'https://cdn.example.net/c']);
    expect([...bytes]).toEqual([1, 2, 3]);
  });

  it('gives up on a redirect loop', async () => {
    const loop = async () => new Response(null, { status: 302, headers: { location: '/again' } });
    expect(await failureOf('https://example.com/', loop)).toMatchObject({
      message: expect.stringMatching(/3 redirects/) as string,
    });
  });

  it.each([404, 403, 500, 204, 304])('reports status %i of the host as the client’s fault', async (status) => {
    const failure = await failureOf('https://example.com/', async () => new Response(null, { status }));
    expect(failure).toMatchObject({
      kind: 'image-unreachable',
      message: expect.stringContaining(String(status)) as string,
    });
  });

  it('reports a host that does not answer, without its address', async () => {
    const failure = await failureOf('https://example.com/', async () => {
      throw new Error('connect ETIMEDOUT 10.1.2.3');
    });
    expect(failure).toMatchObject({ kind: 'image-unreachable', param: PARAM });
    expect(JSON.stringify(failure)).not.toContain('10.1.2.3');
  });

  it('stops reading a body over the limit, declared or not', async () => {
    let chunks = 0;
    const tooLong = () =>
      new ReadableStream<Uint8Array>({
        pull(out) {
          chunks++;
          out.enqueue(new Uint8Array(1024 * 1024));
          if (chunks * 1024 * 1024 > 2 * IMAGE_MAX_BYTES) {
            out.close();
          }
        },
      });
    expect(await failureOf('https://example.com/', async () => new Response(tooLong()))).toMatchObject({
      kind: 'image-too-large',
      param: PARAM,
    });
    expect(chunks).toBeLessThan(IMAGE_MAX_BYTES / (1024 * 1024) + 4);
    const declared = async () => new Response('x', { headers: { 'content-length': String(IMAGE_MAX_BYTES + 1) } });
    expect(await failureOf('https://example.com/', declared)).toMatchObject({ kind: 'image-too-large' });
  });

  it('does not decode a data URL over the limit', async () => {
    const url = `data:image/png;base64,${'A'.repeat(Math.ceil(IMAGE_MAX_BYTES / 3) * 4 + 4)}`;
    expect(await failureOf(url, never)).toMatchObject({ kind: 'image-too-large', param: PARAM });
  });
});
