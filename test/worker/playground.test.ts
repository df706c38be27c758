import { describe, expect, it } from 'vitest';
import { RequestError } from '../../src/core/protocol/failure.ts';
import { openBundle } from '../../worker/bundle.ts';
import { decodePixels } from './decode-pixels.ts';
import { fakeUpstream, goodAnswer } from './fake-upstream.ts';
import { goldenTensor, repositoryFile } from './repository-file.ts';
import { bundle, testApp, testConfig, testUpstream } from './test-app.ts';

const app = testApp(fakeUpstream(goodAnswer()));
const sha256 = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode('thekey')));
const CONFIG = testConfig({
  keys: { listed: [{ id: 'one', sha256 }], store: null },
  upstreams: [testUpstream({ wires: ['original'] })],
});

describe('the playground', () => {
  it('is where the root leads', async () => {
    const response = await app.fetch('/', { redirect: 'manual' });
    expect([response.status, response.headers.get('location')]).toEqual([302, '/playground']);
  });

  it('is a page of its own files alone, whose policy allows nothing else', async () => {
    const response = await app.fetch('/playground');
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(response.headers.get('referrer-policy')).toBe('no-referrer');
    const policy = new Map(
      (response.headers.get('content-security-policy') ?? '').split('; ').map((directive): [string, string] => {
        const [name = '', ...sources] = directive.split(' ');
        return [name, sources.join(' ')];
      }),
    );
    expect(Object.fromEntries(policy)).toEqual({
      'default-src': "'none'",
      'script-src': "'self'",
      'style-src': "'self'",
      'img-src': "'self' blob:",
      'connect-src': "'self'",
      'base-uri': "'none'",
      'form-action': "'none'",
      'frame-ancestors': "'none'",
      'require-trusted-types-for': "'script'",
      'trusted-types': "'none'",
    });

    const page = await response.text();
    expect(page).not.toMatch(/\son\w+=|\sstyle=|<style|<script(?![^>]*src=)|https?:\/\/(?!…)|\/\/[a-z]/i);
    const files = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? '');
    expect(files).toContain('/playground/main.js');
    expect(files).toContain('/playground/word.png');
    for (const path of files) {
      const file = await app.fetch(path);
      expect([path, file.status, file.headers.get('x-content-type-options')]).toEqual([path, 200, 'nosniff']);
      expect(file.headers.get('content-security-policy')).toBe(response.headers.get('content-security-policy'));
    }
  });

  it('serves samples byte for byte', async () => {
    const sample = await app.fetch('/playground/price.jpg');
    expect(sample.headers.get('content-type')).toBe('image/jpeg');
    expect(new Uint8Array(await sample.arrayBuffer())).toEqual(await repositoryFile('examples/images/price.jpg'));
  });

  it('sends a file once, until it changes', async () => {
    const etag = (await app.fetch('/playground/main.js')).headers.get('etag') ?? '';
    const again = await app.fetch('/playground/main.js', { headers: { 'if-none-match': etag } });
    expect([again.status, await again.text()]).toEqual([304, '']);
    expect((await app.fetch('/playground/main.js', { headers: { 'if-none-match': '"older"' } })).status).toBe(200);
  });

  it('needs no key for what holds no secret', async () => {
    const keyed = testApp(fakeUpstream(goodAnswer()), { config: CONFIG });
    expect((await keyed.fetch('/playground')).status).toBe(200);
    expect((await keyed.fetch('/playground/facts.json')).status).toBe(200);
    expect((await keyed.fetch('/v1/models')).status).toBe(401);
  });

  it('is gone where it is off, and takes no other method', async () => {
    const off = testApp(fakeUpstream(goodAnswer()), { config: { ...CONFIG, playground: false } });
    for (const path of ['/', '/playground', '/playground/main.js', '/playground/facts.json']) {
      expect([path, (await off.fetch(path)).status]).toEqual([path, 404]);
    }
    expect((await off.fetch('/playground/view', { method: 'POST', body: 'https://a.example/' })).status).toBe(404);
    const posted = await app.fetch('/playground', { method: 'POST' });
    expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });
});

describe('/playground/facts.json', () => {
  it('is what the manifest says of the model’s sight', async () => {
    const { vision, llm } = await bundle.manifest();
    const { imageSize, patchSize, resize } = vision;
    expect(await (await app.fetch('/playground/facts.json')).json()).toEqual({
      vision: { imageSize, patchSize, resize, hiddenSize: llm.hiddenSize },
    });
  });

  it('is nothing without a bundle', async () => {
    const blind = testApp(fakeUpstream(goodAnswer()), { bundle: openBundle({ read: async () => null }) });
    expect(await (await blind.fetch('/playground/facts.json')).json()).toEqual({ vision: null });
  });
});

describe('POST /playground/view', () => {
  const GOLDEN = { name: 'png-rgb', file: 'images/png-rgb.png', mode: 'square', grid: [8, 8], exact: true } as const;
  const host = {
    fetch: async () => new Response(await repositoryFile(`test/fixtures/golden/${GOLDEN.file}`)),
  };
  const view = (url: string, init: RequestInit = {}, deps = {}) =>
    testApp(host, { wire: 'original', ...deps }).fetch('/playground/view', { method: 'POST', body: url, ...init });

  it('shows the picture behind a URL as the model sees it: the pixels of Pillow', async () => {
    const response = await view('https://pictures.example/a.png');
    expect(response.headers.get('content-type')).toBe('image/png');
    expect(response.headers.get('server-timing')).toMatch(/^receive;dur=.*fetch;dur=.*decode;dur=.*encode;dur=/);
    const png = new Uint8Array(await response.arrayBuffer());
    const { data } = await decodePixels(png);
    expect(new Uint8Array(data)).toEqual(
      await goldenTensor({ ...GOLDEN, grid: [8, 8], width: 0, height: 0 }, 'pixels'),
    );
  });

  it.each(['https://127.0.0.1/', 'http://pictures.example/a.png', 'https://metadata.google.internal/', 'a.png', ''])(
    'fetches only what a question may name, not %j',
    async (url) => {
      const fetch = async () => {
        throw new RequestError({ kind: 'internal', message: 'this URL must not be fetched' });
      };
      const response = await testApp({ fetch }).fetch('/playground/view', { method: 'POST', body: url });
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ error: { code: 'invalid_image_url', param: 'url' } });
    },
  );

  it('needs the key', async () => {
    const keyed = { config: CONFIG };
    expect((await view('https://pictures.example/a.png', {}, keyed)).status).toBe(401);
    const headers = { authorization: 'Bearer thekey' };
    expect((await view('https://pictures.example/a.png', { headers }, keyed)).status).toBe(200);
  });

  it('takes no more than a URL', async () => {
    expect((await view(`https://pictures.example/${'a'.repeat(8192)}`)).status).toBe(413);
  });
});
