import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { CONVERTED_EDGE_MAX_PX, PNG_MAX_PIXELS } from '../../src/core/limits.ts';
import { type ConvertImage, imagesBinding } from '../../worker/convert-image.ts';
import { fakeUpstream, goodAnswer } from './fake-upstream.ts';
import { repositoryFile } from './repository-file.ts';
import { dataUrl, question, testApp } from './test-app.ts';

const PNG = await repositoryFile('test/fixtures/golden/images/png-rgb.png');
const HEIC = Uint8Array.from('\0\0\0\x18ftypheic\0\0\0\0heicmif1 and so on', (letter) => letter.charCodeAt(0));
/** A PNG by its header, of more pixels than are taken. */
const LARGE = Uint8Array.from(PNG);
new DataView(LARGE.buffer).setUint32(16, 10_000);
new DataView(LARGE.buffer).setUint32(20, PNG_MAX_PIXELS / 8192);

async function ask(file: Uint8Array, convert: ConvertImage | null) {
  const upstream = fakeUpstream(goodAnswer());
  const app = testApp(upstream, { convert });
  const response = await app.chat(question('What?', dataUrl(file)));
  const json = await response.json<object>();
  return { status: response.status, json, timing: response.headers.get('server-timing') ?? '', calls: upstream.calls };
}

describe.each([
  ['a HEIC', HEIC, 415, 'unsupported_image'],
  ['a picture of too many pixels', LARGE, 413, 'image_too_large'],
])('%s', (_, file, status, code) => {
  it('is converted where Cloudflare Images is bound, and goes on as what it became', async () => {
    const given: Uint8Array[] = [];
    const converted = await ask(file, async (bytes) => {
      given.push(bytes);
      return PNG;
    });
    const direct = await ask(PNG, null);
    expect(converted.status).toBe(200);
    expect(given).toEqual([file]);
    expect(converted.calls[0]?.body['messages']).toEqual(direct.calls[0]?.body['messages']);
    expect(converted.timing).toContain('convert;dur=');
    expect(direct.timing).not.toContain('convert');
  });

  it.each<[string, ConvertImage | null, string]>([
    ['is not bound', null, 'the Images binding'],
    ['fails', () => Promise.reject(new Error('IMAGES_TRANSFORM_ERROR 9523')), 'could not convert it'],
    ['makes too much of it', () => Promise.resolve(null), 'too large a file'],
  ])('is the refusal that it was where Cloudflare Images %s', async (_name, convert, message) => {
    const param = 'messages[0].content[0].image_url.url';
    const error = { code, param, message: expect.stringContaining(message) as string };
    expect(await ask(file, convert)).toMatchObject({ status, json: { error }, calls: [] });
  });
});

describe('Cloudflare Images', () => {
  const never: ConvertImage = () => Promise.reject(new Error('must not be asked'));

  it.each([
    ['a picture that we decode', PNG, 200],
    ['a damaged one', PNG.subarray(0, 40), 400],
    ['what is no picture', new Uint8Array(64), 415],
    ['a BMP', Uint8Array.from([0x42, 0x4d, 0, 0]), 415],
  ])('is not asked for %s', async (_, file, status) => {
    const { status: found, json } = await ask(file, never);
    expect(found).toBe(status);
    expect(JSON.stringify(json)).not.toContain('Cloudflare');
  });

  it('as Miniflare has it gives a PNG within the size that is asked for', async () => {
    const wide = await repositoryFile('test/fixtures/golden/images/photo-coast.jpg');
    const png = await imagesBinding(env.IMAGES)(wide);
    const view = new DataView(png?.buffer ?? new ArrayBuffer(24));
    expect(new TextDecoder('latin1').decode(png?.subarray(1, 4))).toBe('PNG');
    expect(Math.max(view.getUint32(16), view.getUint32(20))).toBeLessThanOrEqual(CONVERTED_EDGE_MAX_PX);
    const { status } = await ask(HEIC, async () => imagesBinding(env.IMAGES)(wide));
    expect(status).toBe(200);
  });

  it('as Miniflare has it refuses what is no picture, and so does the worker', async () => {
    expect(await ask(HEIC, imagesBinding(env.IMAGES))).toMatchObject({ status: 415, calls: [] });
  });
});
