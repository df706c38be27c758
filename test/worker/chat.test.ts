import { describe, expect, it } from 'vitest';
import { decodeBase64 } from '../../src/core/bytes/base64.ts';
import { bf16ToF32 } from '../../src/core/bytes/float.ts';
import { decodeTorchTensor } from '../../src/core/bytes/torch-tensor.ts';
import { decodePixels } from './decode-pixels.ts';
import { fakeUpstream, goodAnswer, type FakeUpstream } from './fake-upstream.ts';
import { goldenTensor, repositoryFile } from './repository-file.ts';
import { bundle, dataUrl, events, question, testApp } from './test-app.ts';

const PNG = { name: 'png-rgb', mode: 'square', file: 'images/png-rgb.png' } as const;
const picture = await repositoryFile(`test/fixtures/golden/${PNG.file}`);
const golden = (tensor: string) => goldenTensor({ ...PNG, width: 0, height: 0, grid: [8, 8], exact: true }, tensor);

type Part = { type: string; text?: string; image_embeds?: string; image_url?: { url: string } };

function sentMessages(upstream: FakeUpstream): { role: string; content: Part[] }[] {
  return (upstream.calls[0]?.body['messages'] ?? []) as { role: string; content: Part[] }[];
}

function sentParts(upstream: FakeUpstream, message = 0): Part[] {
  return sentMessages(upstream)[message]?.content ?? [];
}

describe('POST /v1/chat/completions', () => {
  it('streams an answer about embeddings made at the edge', async () => {
    const upstream = fakeUpstream(goodAnswer());
    const response = await testApp(upstream).chat({ ...question('What?', dataUrl(picture)), stream: true });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-cache, no-transform');
    expect(response.headers.get('server-timing')).toMatch(
      /^receive;dur=.*fetch;dur=.*decode;dur=.*embed;dur=.*upstream;dur=/,
    );

    const data = await events(response);
    expect(data.pop()).toBe('[DONE]');
    const chunks = data.map(
      (text) => JSON.parse(text) as Record<'id' | 'created' | 'model' | 'object' | 'choices', unknown>,
    );
    expect(
      new Set(chunks.map(({ id, created, model, object }) => JSON.stringify([id, created, model, object]))).size,
    ).toBe(1);
    expect(chunks[0]).toMatchObject({ model: 'vora-random', created: 1_700_000_000, object: 'chat.completion.chunk' });
    expect(chunks.map(({ choices }) => choices)).toEqual([
      [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null, logprobs: null }],
      [{ index: 0, delta: { content: 'Hello' }, finish_reason: null, logprobs: null }],
      [{ index: 0, delta: { content: ' you' }, finish_reason: null, logprobs: null }],
      [{ index: 0, delta: {}, finish_reason: 'stop', logprobs: null }],
    ]);
    expect(chunks.every((chunk) => !('usage' in chunk))).toBe(true);
  });

  it('sends the embeddings as a bf16 torch tensor that equals the reference, and says who made them', async () => {
    const upstream = fakeUpstream(goodAnswer());
    const response = await testApp(upstream).chat(question('What?', dataUrl(picture)));
    const [image, text] = sentParts(upstream);
    expect(text).toEqual({ type: 'text', text: 'What?' });
    expect(Object.keys(image ?? {})).toEqual(['type', 'image_embeds']);

    const { dtype, shape, data } = decodeTorchTensor(decodeBase64(image?.image_embeds ?? '', 'part'));
    expect([dtype, ...shape]).toEqual(['bf16', 64, 128]);
    const sent = bf16ToF32(new Uint16Array(data.slice().buffer));
    const expected = new Float32Array((await golden('embeddings'))?.buffer ?? new ArrayBuffer(0));
    expect(expected.length).toBe(sent.length);
    // bf16 has eight bits of precision: half a unit in the last place is 2^-9 of a value.
    const off = sent.filter((value, i) => Math.abs(value - (expected[i] ?? 0)) > Math.abs(value) * 2 ** -8 + 1e-4);
    expect(off).toEqual(new Float32Array(0));
    const { vision } = await bundle.manifest();
    const [call] = upstream.calls;
    expect(call?.url).toBe('http://upstream.test/v1/chat/completions');
    expect(call?.headers.get('x-vora-vision')).toBe(vision.sha256);
    expect(call?.headers.get('authorization')).toBe('Bearer upstream-key');
    expect(call?.headers.get('x-request-id')).toBe(response.headers.get('x-request-id'));
    expect(call?.body).toMatchObject({
      model: 'upstream-model',
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  it('sends the model input as a lossless PNG in the pixels form', async () => {
    const upstream = fakeUpstream(goodAnswer());
    await testApp(upstream, { wire: 'pixels' }).chat(question('What?', dataUrl(picture)));
    const [image] = sentParts(upstream);
    const url = image?.image_url?.url ?? '';
    expect(url.startsWith('data:image/png;base64,')).toBe(true);
    const png = decodeBase64(url, 'part', 'data:image/png;base64,'.length);
    const { width, height, data } = await decodePixels(png);
    expect([width, height]).toEqual([112, 112]);
    expect(new Uint8Array(data)).toEqual(await golden('pixels'));
    const { vision } = await bundle.manifest();
    expect(upstream.calls[0]?.headers.get('x-vora-vision')).toBe(vision.sha256);
  });

  it('sends the bytes as they came in the original form, under their true type', async () => {
    const upstream = fakeUpstream(goodAnswer());
    await testApp(upstream, { wire: 'original' }).chat(question('What?', dataUrl(picture, 'image/jpeg')));
    const sent = { type: 'image_url', image_url: { url: dataUrl(picture, 'image/png'), detail: 'auto' } };
    expect(sentParts(upstream)[0]).toEqual(sent);
    expect(upstream.calls[0]?.headers.get('x-vora-vision')).toBeNull();
  });

  it('keeps text and images in their places, over messages', async () => {
    const upstream = fakeUpstream(goodAnswer());
    const url = dataUrl(picture);
    const messages = [
      { role: 'developer', content: 'Be short.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'a @@ "b" é' },
          { type: 'image_url', image_url: { url } },
        ],
      },
      { role: 'assistant', content: 'c', refusal: null },
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url, detail: 'low' } },
          { type: 'text', text: 'd' },
        ],
      },
    ];
    await testApp(upstream).chat({ messages });
    const sent = sentMessages(upstream);
    expect(sent.map(({ role, content }) => [role, ...content.map((part) => part.text ?? part.type)])).toEqual([
      ['system', 'Be short.'],
      ['user', 'a @@ "b" é', 'image_embeds'],
      ['assistant', 'c'],
      ['user', 'image_embeds', 'd'],
    ]);
    // Equal pictures give equal bytes: upstream's prefix cache hashes them.
    expect(sent[1]?.content[1]).toEqual(sent[3]?.content[0]);
  });

  it('passes the sampling parameters on', async () => {
    const upstream = fakeUpstream(goodAnswer());
    const sampling = { temperature: 0, top_p: 0.5, top_k: 7, seed: 42, stop: 'x', max_completion_tokens: 9 };
    await testApp(upstream).chat({ ...question('Hi'), ...sampling });
    const expected = { temperature: 0, top_p: 0.5, top_k: 7, seed: 42, stop: ['x'], max_tokens: 9 };
    expect(upstream.calls[0]?.body).toMatchObject(expected);
  });

  it('answers as one object when the client does not stream', async () => {
    const response = await testApp(fakeUpstream(goodAnswer(70))).chat(question('What?', dataUrl(picture)));
    expect(response.headers.get('server-timing')).toMatch(/embed;dur=/);
    expect(await response.json()).toEqual({
      id: expect.stringMatching(/^chatcmpl-/) as string,
      object: 'chat.completion',
      created: 1_700_000_000,
      model: 'vora-random',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Hello you', refusal: null },
          finish_reason: 'stop',
          logprobs: null,
        },
      ],
      usage: { prompt_tokens: 70, completion_tokens: 2, total_tokens: 72 },
    });
  });

  it('forwards usage to a stream only when asked: null on each chunk, then a chunk without choices', async () => {
    const body = { ...question('Hi'), stream: true, stream_options: { include_usage: true } };
    const data = await events(await testApp(fakeUpstream(goodAnswer(70))).chat(body));
    const chunks = data.slice(0, -1).map((text) => JSON.parse(text) as { usage: unknown; choices: unknown[] });
    const last = chunks.pop();
    expect(last?.usage).toEqual({ prompt_tokens: 70, completion_tokens: 2, total_tokens: 72 });
    expect(last?.choices).toEqual([]);
    expect(chunks.every(({ usage }) => usage === null)).toBe(true);
  });

  it('downloads an https image', async () => {
    const upstream = fakeUpstream(goodAnswer());
    const fetched: string[] = [];
    const app = testApp({
      fetch: async (url, init) => {
        fetched.push(url);
        return url.startsWith('https://pictures.example/')
          ? new Response(picture, { headers: { 'content-type': 'text/html' } })
          : upstream.fetch(url, init);
      },
    });
    const response = await app.chat(question('What?', 'https://pictures.example/a.png?token=secret'));
    expect(response.status).toBe(200);
    expect(fetched).toEqual([
      'https://pictures.example/a.png?token=secret',
      'http://upstream.test/v1/chat/completions',
    ]);
    expect(sentParts(upstream)[0]?.type).toBe('image_embeds');
  });

  it('declares the exact length of the body it streams', async () => {
    let declared: string | null = null;
    const upstream = fakeUpstream(goodAnswer());
    const app = testApp({
      fetch: (url, init) => {
        declared = new Request(url, init).headers.get('content-length');
        return upstream.fetch(url, init);
      },
    });
    await app.chat(question('What? é', dataUrl(picture)));
    expect(upstream.calls[0]?.byteLength).toBeGreaterThan(64 * 128 * 2);
    expect(declared === null || declared === String(upstream.calls[0]?.byteLength)).toBe(true);
  });
});
