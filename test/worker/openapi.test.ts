import { type Schema, Validator } from '@cfworker/json-schema';
import { describe, expect, it } from 'vitest';
import type { ApiDescription } from '../../worker/openapi.ts';
import { fakeUpstream, goodAnswer } from './fake-upstream.ts';
import { repositoryFile } from './repository-file.ts';
import { dataUrl, testApp } from './test-app.ts';

const url = dataUrl(await repositoryFile('test/fixtures/golden/images/png-rgb.png'));
const api = await (await testApp(fakeUpstream(goodAnswer())).fetch('/openapi.json')).json<ApiDescription>();

/** The described schema of a request's JSON. */
function requestSchema(path: string): Schema {
  const ref = api.paths[path]?.post?.requestBody?.content['application/json']?.schema?.$ref;
  return { components: api.components, $ref: ref } as Schema;
}

const chat = (...content: object[]) => ({ model: 'vora-random', messages: [{ role: 'user', content }] });
const text = { type: 'text', text: 'Hi' };
const hi = { model: 'vora-random', messages: [{ role: 'user', content: 'Hi' }] };
const response = { model: 'vora-random', input: 'Hi' };
const tool = (parameters: unknown) => ({ type: 'function', function: { name: 'f', parameters } });
const answerForm = (type: string) => ({ type, json_schema: { name: 'n', schema: { type: 'object' } } });

describe('the described schemas', () => {
  it.each<[string, string, object, boolean]>([
    ['text', '/v1/chat/completions', hi, true],
    ['parts', '/v1/chat/completions', chat({ type: 'image_url', image_url: { url } }, text), true],
    ['a video', '/v1/chat/completions', chat({ type: 'video', video: [url, url] }, text), true],
    ['a video of no frames', '/v1/chat/completions', chat({ type: 'video', video: [] }, text), false],
    [
      'a video file',
      '/v1/chat/completions',
      chat({ type: 'video_url', video_url: { url: 'https://a.example/b.mp4' } }, text),
      false,
    ],
    ['a detail', '/v1/vqa', { image: url, question: 'What?', detail: 'high' }, true],
    ['an unknown detail', '/v1/vqa', { image: url, question: 'What?', detail: 'most' }, false],
    ['sampling', '/v1/chat/completions', { ...hi, temperature: 0, top_p: 1, seed: 1, stop: 'x', max_tokens: 1 }, true],
    ['stop strings', '/v1/chat/completions', { ...hi, stop: ['a', 'b'] }, true],
    ['too many stop strings', '/v1/chat/completions', { ...hi, stop: ['a', 'b', 'c', 'd', 'e'] }, false],
    ['no messages', '/v1/chat/completions', { model: 'vora-random', messages: [] }, false],
    ['no model', '/v1/chat/completions', { messages: hi.messages }, false],
    ['an unknown field', '/v1/chat/completions', { ...hi, colour: 'red' }, false],
    ['a part of the server', '/v1/chat/completions', chat({ type: 'image_embeds', image_embeds: 'AA==' }), false],
    [
      'an image of the assistant',
      '/v1/chat/completions',
      { ...hi, messages: [{ role: 'assistant', content: [{ type: 'image_url', image_url: { url } }] }] },
      false,
    ],
    ['a temperature', '/v1/chat/completions', { ...hi, temperature: 3 }, false],
    ['a word for a number', '/v1/chat/completions', { ...hi, max_tokens: '5' }, false],
    ['tools', '/v1/chat/completions', { ...hi, tools: [tool({ type: 'object' })], tool_choice: 'auto' }, true],
    ['a list for a schema', '/v1/chat/completions', { ...hi, tools: [tool([])] }, false],
    ['a form of the answer', '/v1/chat/completions', { ...hi, response_format: answerForm('json_schema') }, true],
    ['an unknown form', '/v1/chat/completions', { ...hi, response_format: answerForm('xml') }, false],
    ['a bias', '/v1/chat/completions', { ...hi, logit_bias: { 7: 1 } }, true],
    ['a bias too strong', '/v1/chat/completions', { ...hi, logit_bias: { 7: 101 } }, false],
    ['input', '/v1/responses', response, true],
    [
      'items',
      '/v1/responses',
      { ...response, input: [{ role: 'user', content: [{ type: 'input_image', image_url: url }] }] },
      true,
    ],
    ['a wrong item', '/v1/responses', { ...response, input: [{ role: 'user', content: [text] }] }, false],
    ['an empty input', '/v1/responses', { ...response, input: [] }, false],
    ['a caption', '/v1/caption', { image: url }, true],
    ['a caption of nothing', '/v1/caption', {}, false],
    ['a question', '/v1/vqa', { image: url, question: 'What?' }, true],
    ['no question', '/v1/vqa', { image: url }, false],
    ['a question to ocr', '/v1/ocr', { image: url, question: 'What?' }, false],
  ])('say what the worker does: %s on %s', async (_, path, body, accepted) => {
    const described = new Validator(requestSchema(path), '2020-12').validate(body).valid;
    const init = { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
    const answer = await testApp(fakeUpstream(goodAnswer())).fetch(path, init);
    expect({ described, status: answer.status }).toEqual({ described: accepted, status: accepted ? 200 : 400 });
  });

  it.each([
    ['/v1/chat/completions', hi],
    ['/v1/responses', response],
    ['/v1/caption', { image: url }],
    ['/v1/ocr', { image: url }],
    ['/v1/vqa', { image: url, question: 'What?' }],
  ])('fit what %s answers', async (path, body) => {
    const init = { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
    const answer: unknown = await (await testApp(fakeUpstream(goodAnswer())).fetch(path, init)).json();
    const ref = api.paths[path]?.post?.responses['200']?.content['application/json']?.schema?.$ref;
    const schema = { components: api.components, $ref: ref } as Schema;
    expect(new Validator(schema, '2020-12').validate(answer).errors).toEqual([]);
    const wrong = new Validator(schema, '2020-12').validate({ ...(answer as object), model: 1 });
    expect(wrong.valid).toBe(false);
  });

  it('fit errors and models', async () => {
    const app = testApp(fakeUpstream(goodAnswer()));
    const fits = (name: string, value: unknown) =>
      new Validator({ components: api.components, $ref: `#/components/schemas/${name}` }).validate(value).valid;
    expect(fits('Error', await (await app.fetch('/nowhere')).json())).toBe(true);
    expect(fits('ModelList', await (await app.fetch('/v1/models')).json())).toBe(true);
    expect(fits('Health', await (await app.fetch('/healthz')).json())).toBe(true);
    expect(fits('Readiness', await (await app.fetch('/readyz')).json())).toBe(true);
  });
});

describe('the description', () => {
  it('names routes that exist, with the method that they take', async () => {
    const app = testApp(fakeUpstream(goodAnswer()));
    for (const [path, methods] of Object.entries(api.paths)) {
      const answer = await app.fetch(path.replace('{model}', 'm'), { method: 'DELETE' });
      const allowed = answer.headers.get('allow')?.toLowerCase().split(', ') ?? [];
      expect([path, answer.status, Object.keys(methods).every((method) => allowed.includes(method))]).toEqual([
        path,
        405,
        true,
      ]);
    }
    expect(Object.keys(api.paths)).toHaveLength(10);
  });

  it('is a page too, which loads nothing and runs nothing', async () => {
    const page = await testApp(fakeUpstream(goodAnswer())).fetch('/docs');
    const markup = await page.text();
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const style = /<style>([\s\S]*)<\/style>/.exec(markup)?.[1] ?? '';
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(style));
    const hash = btoa(String.fromCharCode(...new Uint8Array(digest)));
    expect(page.headers.get('content-security-policy')).toContain(`default-src 'none'; style-src 'sha256-${hash}'`);
    expect(markup).not.toMatch(/<script|<link|<img|<iframe| on\w+=| style=|src=|href="(?!#|\/openapi\.json")/);
    for (const path of Object.keys(api.paths)) {
      expect(markup).toContain(path);
    }
    expect(markup).toContain('messages[].content[].image_url.url');
    expect(markup).toContain('&quot;chat.completion&quot;');
  });
});
