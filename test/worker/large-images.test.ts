import { describe, expect, it } from 'vitest';
import { FLAT_GREY, flatJpeg } from '../support/flat-jpeg.ts';
import { decodePixels } from './decode-pixels.ts';
import { decodeBase64 } from '../../src/core/bytes/base64.ts';
import { fakeUpstream, goodAnswer } from './fake-upstream.ts';
import { dataUrl, question, testApp } from './test-app.ts';

const JPEG = 'image/jpeg';
const photo = flatJpeg(8064, 6048);

describe('large images through the worker', () => {
  it('takes a photo of 48 MP, and four at once', async () => {
    const upstream = fakeUpstream(goodAnswer());
    const app = testApp(upstream, { wire: 'pixels' });
    const ask = () => app.chat(question('What?', dataUrl(photo, JPEG)));
    const responses = await Promise.all([ask(), ask(), ask(), ask()]);
    expect(responses.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(upstream.calls).toHaveLength(4);
    const messages = (upstream.calls[0]?.body['messages'] ?? []) as { content: { image_url?: { url: string } }[] }[];
    const url = messages[0]?.content[0]?.image_url?.url ?? '';
    const png = decodeBase64(url, 'part', url.indexOf(',') + 1);
    const { data, width } = await decodePixels(png);
    expect(data[(width / 2) * (width + 1) * 3]).toBe(FLAT_GREY);
  });

  it.each([
    ['a progressive JPEG of 100 MP', flatJpeg(10_000, 10_000, { progressive: true })],
    ['a JPEG of 268 MP', flatJpeg(16_384, 16_384)],
  ])('answers 413 to %s, and then the next request', async (_, file) => {
    const app = testApp(fakeUpstream(goodAnswer()));
    const response = await app.chat(question('What?', dataUrl(file, JPEG)));
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ error: { code: 'image_too_large' } });
    expect((await app.chat(question('What?', dataUrl(photo, JPEG)))).status).toBe(200);
  });
});
