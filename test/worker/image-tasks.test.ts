import { describe, expect, it } from 'vitest';
import { IMAGE_MAX_BYTES } from '../../src/core/limits.ts';
import { imageAnswerSchemas } from '../../src/core/protocol/image-task-answer.ts';
import { event, fakeUpstream, finishEvent, goodAnswer, textEvent, usageEvent } from './fake-upstream.ts';
import { repositoryFile } from './repository-file.ts';
import { dataUrl, events, question, testApp, testConfig } from './test-app.ts';

const picture = await repositoryFile('test/fixtures/golden/images/png-rgb.png');
const url = dataUrl(picture);

const post = (body: BodyInit, headers: Record<string, string> = {}): RequestInit => ({ method: 'POST', body, headers });
const json = (body: object, headers: Record<string, string> = {}): RequestInit =>
  post(JSON.stringify(body), { 'content-type': 'application/json', ...headers });

function formOf(fields: Record<string, string | Blob>): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    form.append(name, value);
  }
  return form;
}

const file = new File([picture], 'a.png', { type: 'image/gif' });
const raw = { 'content-type': 'image/png' };

describe('an image task', () => {
  it.each([
    ['JSON', '/v1/vqa', json({ image: url, question: 'What?' })],
    ['a form with a file', '/v1/vqa', post(formOf({ image: file, question: 'What?' }))],
    ['a form with a URL', '/v1/vqa', post(formOf({ image: url, question: 'What?' }))],
    ['a bare image', '/v1/vqa?question=What%3F', post(picture, raw)],
  ])('as %s asks what a chat would ask', async (_, path, init) => {
    const chat = fakeUpstream(goodAnswer());
    await testApp(chat).chat({ ...question('What?', url), temperature: 0 });
    const upstream = fakeUpstream(goodAnswer());
    const response = await testApp(upstream).fetch(path, init);
    expect(response.status).toBe(200);
    expect(upstream.calls[0]?.body).toEqual(chat.calls[0]?.body);
    expect(await response.json()).toEqual({
      id: expect.stringMatching(/^vqa-id/) as string,
      object: 'image.vqa',
      created: 1_700_000_000,
      model: 'vora-random',
      text: 'Hello you',
      finish_reason: 'stop',
      usage: { prompt_tokens: 1000, completion_tokens: 2, total_tokens: 1002 },
    });
  });

  it.each([
    ['caption', 'Describe the image.'],
    ['ocr', 'Read the text.'],
  ])('%s asks the model’s own question', async (task, prompt) => {
    const upstream = fakeUpstream(goodAnswer());
    await testApp(upstream).fetch(`/v1/${task}`, json({ image: url }));
    expect(JSON.stringify(upstream.calls[0]?.body['messages'])).toContain(`{"type":"text","text":"${prompt}"}`);
    const other = fakeUpstream(goodAnswer());
    const config = testConfig({ taskPrompts: () => ({ caption: 'Was ist das?', ocr: 'Was steht da?' }) });
    await testApp(other, { config }).fetch(`/v1/${task}`, json({ image: url }));
    expect(JSON.stringify(other.calls[0]?.body['messages'])).toMatch(/Was (ist das|steht da)\?/);
  });

  it('ocr gives the lines of the text', async () => {
    const answer = [textEvent('One\r\n\n  Two '), textEvent('and more\n'), finishEvent(), usageEvent(900)];
    const response = await testApp(fakeUpstream(answer)).fetch('/v1/ocr', json({ image: url }));
    const body = imageAnswerSchemas.ocr.parse(await response.json());
    expect(body).toMatchObject({ text: 'One\r\n\n  Two and more\n', lines: ['One', 'Two and more'] });
  });

  it('passes sampling on, also as text', async () => {
    const sampling = { max_tokens: 9, temperature: 0.5, seed: -3 };
    const upstream = fakeUpstream(goodAnswer());
    const app = testApp(upstream);
    await app.fetch('/v1/caption', json({ image: url, model: 'vora-random', ...sampling }));
    await app.fetch('/v1/caption?max_tokens=9&temperature=0.5&seed=-3', post(picture, raw));
    await app.fetch('/v1/caption', post(formOf({ image: file, max_tokens: '9', temperature: '0.5', seed: '-3' })));
    expect(upstream.calls.map(({ body }) => body)).toEqual(Array(3).fill(upstream.calls[0]?.body));
    expect(upstream.calls[0]?.body).toMatchObject(sampling);
  });

  it('answers as bare text', async () => {
    const app = testApp(fakeUpstream(goodAnswer()));
    const response = await app.fetch('/v1/caption', json({ image: url }, { accept: 'text/plain' }));
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(await response.text()).toBe('Hello you');
  });

  it('streams when asked: pieces, then the whole answer', async () => {
    const app = testApp(fakeUpstream(goodAnswer()));
    const response = await app.fetch('/v1/caption', json({ image: url }, { accept: 'text/event-stream' }));
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const data = await events(response);
    expect(data.pop()).toBe('[DONE]');
    const whole = imageAnswerSchemas.caption.parse(JSON.parse(data.pop() ?? ''));
    expect(whole).toMatchObject({ text: 'Hello you', finish_reason: 'stop', usage: { total_tokens: 1002 } });
    const pieces = data.map((text) => JSON.parse(text) as { object: string; delta: string });
    expect(pieces).toEqual([
      { object: 'image.caption.delta', delta: 'Hello' },
      { object: 'image.caption.delta', delta: ' you' },
    ]);
  });

  it('that breaks on the way ends in an error, never in an answer', async () => {
    const app = testApp(fakeUpstream([textEvent('Hel')]));
    const data = await events(await app.fetch('/v1/ocr', json({ image: url }, { accept: 'text/event-stream' })));
    expect(data).toHaveLength(2);
    expect(JSON.parse(data[1] ?? '')).toMatchObject({ error: { code: 'upstream_broke' } });
    expect((await app.fetch('/v1/ocr', json({ image: url }))).status).toBe(502);
  });
});

describe('an image task is refused, in its own terms', () => {
  it.each([
    ['no image', '/v1/caption', json({}), 400, 'image'],
    ['an image that is no URL', '/v1/caption', json({ image: 'a.png' }), 400, 'image'],
    ['an image that did not come along', '/v1/caption', json({ image: 'cid:image' }), 400, 'image'],
    ['a broken image', '/v1/caption', post(picture.subarray(0, 50), raw), 400, 'image'],
    ['no image at all', '/v1/caption', post('hello', raw), 415, 'image'],
    ['no question', '/v1/vqa', json({ image: url }), 400, 'question'],
    ['a question where none is asked', '/v1/ocr', json({ image: url, question: 'What?' }), 400, 'question'],
    ['a wrong number', '/v1/ocr?max_tokens=many', post(picture, raw), 400, 'max_tokens'],
    ['a field twice', '/v1/ocr?seed=1&seed=2', post(picture, raw), 400, 'seed'],
    ['an image twice', '/v1/ocr?image=x', post(picture, raw), 400, 'image'],
    ['another file', '/v1/ocr', post(formOf({ image: file, question: file })), 400, 'question'],
    ['another model', '/v1/ocr', json({ image: url, model: 'gpt-4o' }), 404, 'model'],
    ['an unknown field', '/v1/ocr', json({ image: url, stream: true }), 400, 'stream'],
    ['no form', '/v1/ocr', post('x', { 'content-type': 'multipart/form-data; boundary=b' }), 400, null],
    ['no JSON', '/v1/ocr', post('{', { 'content-type': 'application/json' }), 400, null],
    ['another type', '/v1/ocr', post('a=b', { 'content-type': 'text/plain' }), 415, 'content-type'],
    ['too many bytes', '/v1/ocr', post(new Uint8Array(IMAGE_MAX_BYTES + 1), raw), 413, null],
  ])('%s', async (_, path, init, status, param) => {
    const upstream = fakeUpstream(goodAnswer());
    const response = await testApp(upstream).fetch(path, init);
    expect(upstream.calls).toEqual([]);
    const { error } = await response.json<{ error: { param: string | null; message: string } }>();
    expect([response.status, error.param]).toEqual([status, param]);
  });

  it('by upstream', async () => {
    const error = { message: 'too long', type: 'x', param: 'messages[0].content[1].text', code: null };
    const upstream = fakeUpstream(Response.json({ error }, { status: 400 }));
    const response = await testApp(upstream).fetch('/v1/vqa', json({ image: url, question: 'Why?' }));
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { param: 'question' } });
  });

  it('by upstream’s own words in its stream', async () => {
    const upstream = fakeUpstream([event({ choices: [], usage: null }), 'data: {"error":{"message":"no"}}\n\n']);
    const response = await testApp(upstream).fetch('/v1/ocr', json({ image: url }));
    expect(await response.json()).toMatchObject({ error: { message: 'The model server failed: no' } });
  });
});
