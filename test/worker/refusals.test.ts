import { describe, expect, it } from 'vitest';
import { decodeBase64 } from '../../src/core/bytes/base64.ts';
import { REQUEST_BODY_MAX_BYTES, REQUEST_JSON_MARKS_MAX } from '../../src/core/limits.ts';
import { decodePixels } from './decode-pixels.ts';
import { fakeUpstream, goodAnswer } from './fake-upstream.ts';
import { goldenImages, goldenTensor, repositoryFile } from './repository-file.ts';
import { dataUrl, question, testApp, testConfig } from './test-app.ts';

const picture = await repositoryFile('test/fixtures/golden/images/png-rgb.png');
const photo = await repositoryFile('test/fixtures/golden/images/photo-coast.jpg');

interface Refusal {
  status: number;
  error: { message: string; type: string; param: string | null; code: string | null };
}

/** Sends a request that must not reach upstream. */
async function refused(body: object | string | ReadableStream, init: RequestInit = {}): Promise<Refusal> {
  const upstream = fakeUpstream(goodAnswer());
  const raw = typeof body === 'string' || body instanceof ReadableStream;
  const app = testApp(upstream);
  const response = raw
    ? await app.fetch('/v1/chat/completions', { method: 'POST', body, ...init })
    : await app.chat(body, init);
  expect(upstream.calls).toEqual([]);
  const { error } = await response.json<Refusal>();
  expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type']);
  return { status: response.status, error };
}

describe('a request that is refused', () => {
  it('is larger than the limit and says so', async () => {
    const headers = { 'content-length': String(REQUEST_BODY_MAX_BYTES + 1) };
    const { status, error } = await refused('{}', { headers });
    expect([status, error.code]).toEqual([413, 'body_too_large']);
  });

  it('would become far more memory than it has bytes', async () => {
    const { status, error } = await refused(`[${'{},'.repeat(REQUEST_JSON_MARKS_MAX / 2)}{}]`);
    expect([status, error.type]).toEqual([400, 'invalid_request_error']);
    expect(error.message).toContain(`over ${REQUEST_JSON_MARKS_MAX} JSON values`);
  });

  it('grows over the limit while it is read, and is not read further', async () => {
    let chunks = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(out) {
        chunks++;
        out.enqueue(new Uint8Array(1024 * 1024));
      },
    });
    const { status } = await refused(endless);
    expect(status).toBe(413);
    expect(chunks).toBeLessThan(REQUEST_BODY_MAX_BYTES / (1024 * 1024) + 4);
  });

  it.each([['{"model":'], ['\u0000'], [''], ['{"a":1}}']])('is not JSON: %j', async (text) => {
    const { status, error } = await refused(text);
    expect([status, error.param]).toEqual([400, null]);
  });

  it('is for another model', async () => {
    const { status, error } = await refused({ ...question('Hi'), model: 'gpt-4o' });
    expect([status, error.code, error.param]).toEqual([404, 'model_not_found', 'model']);
  });

  it.each([
    ['image_embeds', 'server_only_parameter'],
    ['prompt_embeds', 'server_only_parameter'],
    ['input_audio', 'unsupported_parameter'],
  ])('holds a part of type %s', async (type, code) => {
    const content = [
      { type: 'text', text: 'Hi' },
      { type, [type]: 'QUJD' },
    ];
    const { status, error } = await refused({ messages: [{ role: 'user', content }] });
    expect([status, error.param, error.code]).toEqual([400, 'messages[0].content[1].type', code]);
  });

  it('holds a picture that is', async () => {
    const param = 'messages[0].content[0].image_url.url';
    const header20000 = picture.slice();
    new DataView(header20000.buffer).setUint32(16, 20_000);
    new DataView(header20000.buffer).setUint32(20, 20_000);
    const cases: [string, Uint8Array, number, string][] = [
      ['truncated', photo.subarray(0, photo.length / 2), 400, 'invalid_image'],
      ['cut in its header', photo.subarray(0, 40), 400, 'invalid_image'],
      ['20000 × 20000 by its header', header20000, 413, 'image_too_large'],
      ['no picture', new TextEncoder().encode('BM, or so it says'), 415, 'unsupported_image'],
      ['empty', new Uint8Array(0), 415, 'unsupported_image'],
    ];
    for (const [, bytes, status, code] of cases) {
      const { status: found, error } = await refused(question('What?', dataUrl(bytes)));
      expect([found, error.code, error.param]).toEqual([status, code, param]);
    }
    const { error } = await refused(question('What?', 'data:image/png,plain'));
    expect([error.code, error.param]).toEqual(['invalid_image', param]);
    const broken = await refused(question('What?', 'data:image/png;base64,AA AA==='));
    expect(broken.error.message).toMatch(/base64/);
  });

  it('leaves the next one unharmed', async () => {
    await refused(question('What?', dataUrl(photo.subarray(0, 5000))));
    const response = await testApp(fakeUpstream(goodAnswer())).chat(question('What?', dataUrl(photo, 'image/jpeg')));
    expect(response.status).toBe(200);
  });
});

describe('a picture', () => {
  it('is read for what it is, whatever its MIME type says', async () => {
    for (const type of ['image/gif', 'text/html', 'image/webp']) {
      const response = await testApp(fakeUpstream(goodAnswer())).chat(question('What?', dataUrl(photo, type)));
      expect(response.status).toBe(200);
    }
  });

  it('of any EXIF orientation gives the reference pixels', async () => {
    const images = (await goldenImages()).filter(({ name }) => name.startsWith('exif-'));
    expect(images.length).toBeGreaterThanOrEqual(8);
    for (const image of images) {
      const upstream = fakeUpstream(goodAnswer());
      const bytes = await repositoryFile(`test/fixtures/golden/${image.file}`);
      await testApp(upstream, { wire: 'pixels' }).chat(question('What?', dataUrl(bytes)));
      const sent = JSON.stringify(upstream.calls[0]?.body['messages']);
      const url = /data:image\/png;base64,[^"]+/.exec(sent)?.[0] ?? '';
      const png = decodeBase64(url, 'part', 'data:image/png;base64,'.length);
      const { data } = await decodePixels(png);
      expect(new Uint8Array(data)).toEqual(await goldenTensor(image, 'pixels'));
      // Idempotent: sent once more, it is the same picture.
      const again = fakeUpstream(goodAnswer());
      await testApp(again, { wire: 'pixels' }).chat(question('What?', url));
      expect(JSON.stringify(again.calls[0]?.body['messages'])).toBe(sent);
    }
  });
});

describe('routes', () => {
  const app = testApp(fakeUpstream(goodAnswer()));

  it('list the model', async () => {
    const model = { id: 'vora-random', object: 'model', created: 1_700_000_000, owned_by: 'vora' };
    expect(await (await app.fetch('/v1/models')).json()).toEqual({ object: 'list', data: [model] });
    expect(await (await app.fetch('/v1/models/vora-random')).json()).toEqual(model);
    const missing = await app.fetch('/v1/models/org/other');
    expect(missing.status).toBe(404);
    expect(await missing.json()).toMatchObject({ error: { code: 'model_not_found', param: 'model' } });
  });

  it('say that they are healthy, without a key', async () => {
    expect(await (await app.fetch('/healthz')).json()).toEqual({ status: 'ok' });
  });

  it('do not exist, or not for this method, as OpenAI errors', async () => {
    const missing = await app.fetch('/v1/completions', { method: 'POST' });
    expect([missing.status, missing.headers.get('access-control-allow-origin')]).toEqual([404, '*']);
    expect(await missing.json()).toMatchObject({ error: { type: 'invalid_request_error', code: 'not_found' } });
    const method = await app.fetch('/v1/chat/completions', { method: 'PUT' });
    expect([method.status, method.headers.get('allow')]).toEqual([405, 'POST']);
    expect(await method.json()).toMatchObject({ error: { code: 'method_not_allowed' } });
    expect((await app.fetch('/healthz', { method: 'OPTIONS' })).status).toBe(405);
  });

  it('answer a real preflight without a key, with the headers it asks for', async () => {
    const keyed = testApp(fakeUpstream(goodAnswer()), { config: KEYED });
    const preflight = await keyed.fetch('/v1/chat/completions', {
      method: 'OPTIONS',
      headers: {
        origin: 'https://page.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,x-stainless-lang',
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe('*');
    expect(preflight.headers.get('access-control-allow-headers')).toContain('x-stainless-lang');
  });

  it('carry a request id: the sane one of the client or a new one', async () => {
    const own = await app.fetch('/healthz', { headers: { 'x-request-id': 'abc-1' } });
    expect(own.headers.get('x-request-id')).toBe('abc-1');
    const other = await app.fetch('/healthz', { headers: { 'x-request-id': 'a b' } });
    expect(other.headers.get('x-request-id')).toMatch(/^id\d/);
  });
});

const sha256 = async (text: string) =>
  new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));

const KEYED = testConfig({ keys: { listed: [{ id: 'one', sha256: await sha256('the key') }], store: null } });

describe('with a key set', () => {
  it.each([
    [undefined, 401],
    ['Bearer wrong', 401],
    ['Basic dGhlIGtleQ==', 401],
    ['Bearer ', 401],
    ['Bearer thekey', 401],
  ])('authorization %j is refused before the body is read', async (authorization, status) => {
    const app = testApp(fakeUpstream(goodAnswer()), { config: KEYED });
    const headers = new Headers(authorization === undefined ? {} : { authorization });
    const chat = await app.chat({}, { headers });
    expect(chat.status).toBe(status);
    expect(chat.headers.get('access-control-allow-origin')).toBe('*');
    expect(await chat.json()).toMatchObject({ error: { code: 'invalid_api_key' } });
    expect((await app.fetch('/v1/models', { headers })).status).toBe(status);
  });

  it('the right key passes', async () => {
    const keys = { listed: [{ id: 'one', sha256: await sha256('thekey') }], store: null };
    const app = testApp(fakeUpstream(goodAnswer()), { config: testConfig({ keys }) });
    const headers = { authorization: 'bearer thekey' };
    expect((await app.chat(question('Hi'), { headers })).status).toBe(200);
    expect((await app.fetch('/v1/models', { headers })).status).toBe(200);
  });
});
