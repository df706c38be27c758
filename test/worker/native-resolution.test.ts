import { describe, expect, it } from 'vitest';
import { decodeBase64 } from '../../src/core/bytes/base64.ts';
import { bf16ToF32 } from '../../src/core/bytes/float.ts';
import { decodeTorchTensor } from '../../src/core/bytes/torch-tensor.ts';
import { IMAGE_EMBEDDINGS_MAX_BYTES } from '../../src/core/limits.ts';
import type { Bundle } from '../../worker/bundle.ts';
import { decodePixels } from './decode-pixels.ts';
import { createPatchEmbedder } from '../../worker/patch-embedder.ts';
import { fakeUpstream, type FakeUpstream, goodAnswer } from './fake-upstream.ts';
import { errors } from './golden-patches.ts';
import { goldenImages, goldenTensor, repositoryFile } from './repository-file.ts';
import { bundle, dataUrl, question, testApp, type TestApp } from './test-app.ts';

const manifest = await bundle.manifest();

/** The goldens' model, which looks closer where it is asked to. */
const closer: Bundle = {
  ...bundle,
  manifest: () =>
    Promise.resolve({
      ...manifest,
      vision: { ...manifest.vision, resize: { mode: 'by-detail', minPixels: 56 ** 2, maxPixels: 14 ** 2 * 144 } },
    }),
};

/** More than what stands around the numbers. */
const CONTAINER_BYTES = 4096;

const natives = (await goldenImages()).filter(({ mode }) => mode === 'native');
const url = dataUrl(await repositoryFile('test/fixtures/golden/images/size-501x333.png'));

function about(picture: string, detail: string): object {
  return {
    messages: [
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url: picture, detail } },
          { type: 'text', text: '?' },
        ],
      },
    ],
  };
}

function sentImage({ calls }: FakeUpstream): { image_embeds?: string; image_url?: { url: string; detail: string } } {
  const [message] = (calls[0]?.body['messages'] ?? []) as { content: object[] }[];
  return message?.content[0] ?? {};
}

async function sentEmbeddings(app: TestApp, upstream: FakeUpstream, body: object) {
  const response = await app.chat(body);
  const { shape, data } = decodeTorchTensor(decodeBase64(sentImage(upstream).image_embeds ?? '', 'part'), 'tensor');
  return { response, shape, values: bf16ToF32(new Uint16Array(data.slice().buffer)) };
}

describe('an image of detail: high', () => {
  it.each(natives)('has the reference’s embeddings in its own proportions: $name $grid', async (golden) => {
    const upstream = fakeUpstream(goodAnswer());
    const picture = dataUrl(await repositoryFile(`test/fixtures/golden/${golden.file}`));
    const app = testApp(upstream, { bundle: closer });
    const { response, shape, values } = await sentEmbeddings(app, upstream, about(picture, 'high'));
    const [rows, columns] = golden.grid;
    expect(shape).toEqual([rows * columns, 128]);
    const expected = await goldenTensor(golden, 'embeddings');
    // bf16 keeps eight bits.
    expect(errors(values, new Float32Array(expected?.buffer ?? new ArrayBuffer(0))).relative).toBeLessThan(4e-3);
    expect(response.headers.get('x-vora-wire')).toMatch(/;high="native resolution"$/);
  });

  it.each(natives)('is the reference’s pixels, and says so to the server: $name', async (golden) => {
    const upstream = fakeUpstream(goodAnswer());
    const picture = dataUrl(await repositoryFile(`test/fixtures/golden/${golden.file}`));
    await testApp(upstream, { bundle: closer, wire: 'pixels' }).chat(about(picture, 'high'));
    const { url: png = '', detail } = sentImage(upstream).image_url ?? {};
    expect(detail).toBe('high');
    const { width, height, data } = await decodePixels(decodeBase64(png, 'part', png.indexOf(',') + 1));
    expect([height / 14, width / 14]).toEqual(golden.grid);
    expect(new Uint8Array(data)).toEqual(await goldenTensor(golden, 'pixels'));
  });

  it.each(['auto', 'low'])('is a square for %s', async (detail) => {
    const upstream = fakeUpstream(goodAnswer());
    const { response, shape } = await sentEmbeddings(
      testApp(upstream, { bundle: closer }),
      upstream,
      about(url, detail),
    );
    expect(shape).toEqual([64, 128]);
    expect(response.headers.get('x-vora-wire')).not.toContain('high');
  });

  it('is as auto where the model takes squares only, and the answer says so', async () => {
    const [high, auto] = [fakeUpstream(goodAnswer()), fakeUpstream(goodAnswer())];
    const response = await testApp(high).chat(about(url, 'high'));
    await testApp(auto).chat(about(url, 'auto'));
    expect(response.status).toBe(200);
    expect(response.headers.get('x-vora-wire')).toMatch(/;high="as auto: this model takes squares of 112 px"$/);
    expect(high.calls[0]?.body).toEqual(auto.calls[0]?.body);
  });

  it('is passed on with the original', async () => {
    const upstream = fakeUpstream(goodAnswer());
    const response = await testApp(upstream, { bundle: closer, wire: 'original' }).chat(about(url, 'high'));
    expect(sentImage(upstream).image_url?.detail).toBe('high');
    expect(response.headers.get('x-vora-wire')).toMatch(/;high="passed on"$/);
  });

  it('may be asked for on every route', async () => {
    const input = [{ role: 'user', content: [{ type: 'input_image', image_url: url, detail: 'high' }] }];
    const json = { 'content-type': 'application/json' };
    const picture = await repositoryFile('test/fixtures/golden/images/size-501x333.png');
    const requests: [string, RequestInit][] = [
      ['/v1/responses', { headers: json, body: JSON.stringify({ model: 'vora-random', input }) }],
      ['/v1/caption', { headers: json, body: JSON.stringify({ image: url, detail: 'high' }) }],
      ['/v1/ocr?detail=high', { headers: { 'content-type': 'image/png' }, body: picture }],
    ];
    for (const [path, init] of requests) {
      const upstream = fakeUpstream(goodAnswer());
      const response = await testApp(upstream, { bundle: closer }).fetch(path, { method: 'POST', ...init });
      expect([path, response.status]).toEqual([path, 200]);
      expect(response.headers.get('x-vora-wire')).toMatch(/;high="native resolution"$/);
      expect(sentImage(upstream).image_embeds?.length).toBeGreaterThan(64 * 128 * 2 * (4 / 3) * 2);
    }
  });

  it('must be counted by the model server with all of its tokens', async () => {
    const tokens = 9 * 14 + 4;
    const [few, all] = await Promise.all(
      [tokens - 60, tokens].map(async (count) => {
        const app = testApp(fakeUpstream(goodAnswer(count)), { bundle: closer });
        return (await app.chat(about(url, 'high'))).status;
      }),
    );
    expect([few, all]).toEqual([502, 200]);
  });

  it('is refused by its name where its shape has no place in the model', async () => {
    const strip = dataUrl(await repositoryFile('test/fixtures/golden/images/size-3x500.png'));
    const app = testApp(fakeUpstream(goodAnswer()), { bundle: closer });
    const response = await app.chat(about(strip, 'high'));
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: { param: 'messages[0].content[0].image_url.url', message: expect.stringContaining('at least 14 px') },
    });
    expect((await app.chat(about(strip, 'auto'))).status).toBe(200);
  });

  it('is a 413 where an isolate has no room for all embeddings of the request', async () => {
    const hiddenSize = Math.floor((IMAGE_EMBEDDINGS_MAX_BYTES - CONTAINER_BYTES) / 2 / 64);
    const app = testApp(fakeUpstream(goodAnswer()), {
      bundle: {
        ...closer,
        manifest: async () => {
          const facts = await closer.manifest();
          return { ...facts, llm: { ...facts.llm, hiddenSize } };
        },
      },
      // Two squares just fit, and are not made here.
      embedder: {
        ...createPatchEmbedder('kernel', closer),
        embedBf16: () => Promise.resolve(new Uint16Array(64 * hiddenSize)),
      },
    });
    for (const body of [about(url, 'low'), question('?', url, url)]) {
      expect((await app.chat(body)).status).toBe(200);
    }
    for (const body of [about(url, 'high'), question('?', url, url, url)]) {
      const response = await app.chat(body);
      expect(response.status).toBe(413);
      expect(await response.text()).toContain('ask for less detail, or fewer images');
    }
  });
});

describe('a video', () => {
  it('goes to the model server as its frames with their seconds between', async () => {
    const upstream = fakeUpstream(goodAnswer());
    const frames = await Promise.all(
      ['png-rgb.png', 'photo-coast.jpg'].map(async (file) =>
        dataUrl(await repositoryFile(`test/fixtures/golden/images/${file}`)),
      ),
    );
    const content = [
      { type: 'video', video: frames },
      { type: 'text', text: 'What happens?' },
    ];
    const response = await testApp(upstream).chat({ messages: [{ role: 'user', content }] });
    expect(response.headers.get('x-vora-wire')).toMatch(/^image_embeds;images=2;/);
    const [message] = (upstream.calls[0]?.body['messages'] ?? []) as { content: { type: string; text?: string }[] }[];
    expect(message?.content.map(({ type, text }) => text ?? type)).toEqual([
      '1s: ',
      'image_embeds',
      '; 2s: ',
      'image_embeds',
      '; \n',
      'What happens?',
    ]);
  });

  it('has its frames named in every failure, ours and the model server’s', async () => {
    const content = [
      { type: 'text', text: 'Look:' },
      { type: 'video', video: [url, 'data:image/png;base64,AAAA'] },
    ];
    const broken = await testApp(fakeUpstream(goodAnswer())).chat({ messages: [{ role: 'user', content }] });
    expect(broken.status).toBe(415);
    expect(await broken.json()).toMatchObject({ error: { param: 'messages[0].content[1].video[1]' } });
    const refuses = fakeUpstream(() =>
      Response.json(
        {
          error: {
            message: 'no',
            type: 'invalid_request_error',
            param: 'messages[0].content[4].image_url',
            code: null,
          },
        },
        { status: 400 },
      ),
    );
    const sound = [
      { type: 'text', text: 'Look:' },
      { type: 'video', video: [url, url] },
    ];
    const refused = await testApp(refuses).chat({ messages: [{ role: 'user', content: sound }] });
    expect(await refused.json()).toMatchObject({ error: { param: 'messages[0].content[1].video[1]' } });
  });
});
