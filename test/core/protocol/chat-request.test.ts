import { describe, expect, it } from 'vitest';
import { IMAGES_PER_REQUEST_MAX } from '../../../src/core/limits.ts';
import type { PartsAllowed } from '../../../src/core/protocol/chat-message.ts';
import { parseChatRequest } from '../../../src/core/protocol/chat-request.ts';
import { RequestError, toWireError } from '../../../src/core/protocol/failure.ts';

const HELLO = { model: 'm', messages: [{ role: 'user', content: 'Hello' }] };
const IMAGE = { type: 'image_url', image_url: { url: 'https://example.com/a.png' } };

function parse(body: unknown, parts: PartsAllowed = 'client') {
  return parseChatRequest(body, { parts });
}

/** The error object a client gets for this body; fails when there is none. */
function refusal(body: unknown, parts: PartsAllowed = 'client') {
  try {
    parse(body, parts);
  } catch (error) {
    if (error instanceof RequestError) {
      const { status, body: wire } = toWireError(error.failure);
      return { status, ...wire.error };
    }
    throw error;
  }
  throw new Error('the request was accepted');
}

const withPart = (...parts: unknown[]) => ({ model: 'm', messages: [{ role: 'user', content: parts }] });

describe('parseChatRequest', () => {
  it('gives one form to every way of asking', () => {
    expect(parse(HELLO)).toEqual({
      model: 'm',
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Hello' }] }],
      stream: false,
      includeUsage: false,
      stop: [],
    });
    expect(
      parse({
        model: 'm',
        messages: [
          { role: 'developer', content: 'a' },
          { role: 'system', content: [{ type: 'text', text: 'b' }] },
          { role: 'user', content: [{ type: 'text', text: 'c' }, IMAGE] },
          { role: 'assistant', content: 'd', refusal: null, tool_calls: [], annotations: [] },
        ],
        stream: true,
        stream_options: { include_usage: true, include_obfuscation: false },
        max_completion_tokens: 5,
        temperature: 0.5,
        top_p: 0.9,
        top_k: 40,
        seed: -1,
        stop: 'x',
      }),
    ).toEqual({
      model: 'm',
      messages: [
        { role: 'system', content: [{ type: 'text', text: 'a' }] },
        { role: 'system', content: [{ type: 'text', text: 'b' }] },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'c' },
            { type: 'image_url', url: 'https://example.com/a.png', detail: 'auto' },
          ],
        },
        { role: 'assistant', content: [{ type: 'text', text: 'd' }] },
      ],
      stream: true,
      includeUsage: true,
      maxTokens: 5,
      temperature: 0.5,
      topP: 0.9,
      topK: 40,
      seed: -1,
      stop: ['x'],
    });
  });

  it.each([0, -1])('takes top_k %i for all tokens, not for the default of the model', (top_k) => {
    expect(parse({ ...HELLO, top_k })).toEqual({ ...parse(HELLO), topK: 0 });
  });

  it('accepts what asks for nothing', () => {
    const neutral = {
      user: 'u',
      metadata: { a: 'b' },
      store: false,
      service_tier: 'auto',
      safety_identifier: 's',
      prompt_cache_key: 'k',
      n: 1,
      tools: [],
      tool_choice: 'auto',
      parallel_tool_calls: true,
      logprobs: false,
      top_logprobs: 0,
      logit_bias: {},
      response_format: { type: 'text' },
      modalities: ['text'],
      frequency_penalty: 0,
      presence_penalty: 0,
      max_tokens: null,
      temperature: null,
      stop: null,
      stream: null,
      stream_options: null,
      seed: null,
    };
    expect(parse({ ...HELLO, ...neutral })).toEqual(parse(HELLO));
  });

  it.each([
    ['modalities', ['text', 'audio']],
    ['audio', { voice: 'x' }],
    ['prediction', { type: 'content', content: 'x' }],
    ['repetition_penalty', 1.1],
    ['min_p', 0.1],
    ['reasoning_effort', 'high'],
    ['functions', [{}]],
  ])('refuses %s, which it cannot do, by name', (field, value) => {
    expect(refusal({ ...HELLO, [field]: value })).toEqual({
      status: 400,
      type: 'invalid_request_error',
      param: field,
      code: 'unsupported_parameter',
      message: `${field}: '${field}' is not supported by this server`,
    });
  });

  it('takes cache_salt and uuids from a worker alone', () => {
    const body = { ...withPart({ ...IMAGE, uuid: 'x' }), cache_salt: 'y' };
    expect(parseChatRequest(body, { parts: 'endpoint' })).toMatchObject({
      cacheSalt: 'y',
      messages: [{ content: [{ type: 'image_url', uuid: 'x' }] }],
    });
    const stored = withPart({ type: 'image_embeds', image_embeds: null, uuid: 'x' });
    expect(parseChatRequest(stored, { parts: 'endpoint' }).messages[0]?.content).toEqual([
      { type: 'stored_image', uuid: 'x' },
    ]);
    expect(refusal({ ...HELLO, cache_salt: 'y' })).toMatchObject({ code: 'server_only_parameter' });
    expect(refusal(stored)).toMatchObject({ status: 400 });
    for (const name of ['', 'x'.repeat(129), 7]) {
      expect(refusal(withPart({ ...IMAGE, uuid: name }), 'endpoint')).toMatchObject({
        param: 'messages[0].content[0].uuid',
      });
    }
  });

  it.each(['uuid', 'mm_processor_kwargs', 'media_io_kwargs', 'chat_template', 'priority', 'documents'])(
    'refuses %s, which only the server sets',
    (field) => {
      const expected = { status: 400, param: field, code: 'server_only_parameter' };
      expect(refusal({ ...HELLO, [field]: 'x' })).toMatchObject(expected);
      expect(refusal({ ...HELLO, [field]: 'x' }, 'endpoint')).toMatchObject(expected);
    },
  );

  it('refuses server-only fields inside a part', () => {
    expect(refusal(withPart({ ...IMAGE, uuid: 'x' }))).toMatchObject({
      param: 'messages[0].content[0].uuid',
      code: 'server_only_parameter',
    });
  });

  it.each(['image_embeds', 'prompt_embeds', 'audio_embeds'])('refuses a %s part of a client', (type) => {
    expect(refusal(withPart({ type: 'text', text: 'a' }, { type, [type]: 'QUJD' }))).toMatchObject({
      status: 400,
      param: 'messages[0].content[1].type',
      code: 'server_only_parameter',
    });
  });

  it('takes image_embeds from a worker, from user messages only', () => {
    const part = { type: 'image_embeds', image_embeds: 'QUJD' };
    expect(parse(withPart(part), 'endpoint').messages[0]?.content).toEqual([{ type: 'image_embeds', data: 'QUJD' }]);
    const system = { model: 'm', messages: [{ role: 'system', content: [part] }] };
    expect(refusal(system, 'endpoint')).toMatchObject({ param: 'messages[0].content[0].type' });
    expect(refusal(withPart({ type: 'image_embeds' }), 'endpoint')).toMatchObject({
      param: 'messages[0].content[0].image_embeds',
    });
    expect(refusal(withPart({ type: 'prompt_embeds', data: 'x' }), 'endpoint')).toMatchObject({
      code: 'server_only_parameter',
    });
  });

  it.each([
    [undefined, null],
    [null, null],
    [[], null],
    ['{}', null],
    [{ ...HELLO, model: undefined }, 'model'],
    [{ ...HELLO, model: '' }, 'model'],
    [{ ...HELLO, model: 'x'.repeat(300) }, 'model'],
    [{ ...HELLO, messages: [] }, 'messages'],
    [{ ...HELLO, messages: 'Hello' }, 'messages'],
    [{ ...HELLO, messages: ['Hello'] }, 'messages[0]'],
    [{ ...HELLO, messages: [{ role: 'function', content: 'x' }] }, 'messages[0].role'],
    [{ ...HELLO, messages: [{ role: 'user' }] }, 'messages[0].content'],
    [{ ...HELLO, messages: [{ role: 'user', content: null }] }, 'messages[0].content'],
    [{ ...HELLO, messages: [{ role: 'user', content: [] }] }, 'messages[0].content'],
    [{ ...HELLO, messages: [{ role: 'user', content: 'a', extra: 1 }] }, 'messages[0].extra'],
    [{ ...HELLO, messages: [{ role: 'user', content: 'a', name: 'Bob' }] }, 'messages[0].name'],
    [withPart('text'), 'messages[0].content[0]'],
    [withPart({ type: 'text' }), 'messages[0].content[0].text'],
    [withPart({ type: 'text', text: 5 }), 'messages[0].content[0].text'],
    [withPart({ type: 'image_url' }), 'messages[0].content[0].image_url'],
    [withPart({ type: 'image_url', image_url: 'https://x' }), 'messages[0].content[0].image_url'],
    [withPart({ type: 'image_url', image_url: { url: 5 } }), 'messages[0].content[0].image_url.url'],
    [withPart({ type: 'image_url', image_url: { url: '' } }), 'messages[0].content[0].image_url.url'],
    [
      withPart({ type: 'image_url', image_url: { url: 'x', detail: 'max' } }),
      'messages[0].content[0].image_url.detail',
    ],
    [withPart({ type: 'image_url', image_url: { url: 'x', size: 1 } }), 'messages[0].content[0].image_url.size'],
    [withPart({ type: 'input_audio' }), 'messages[0].content[0].type'],
    [withPart({}), 'messages[0].content[0].type'],
    [{ ...HELLO, messages: [{ role: 'assistant', content: [IMAGE] }] }, 'messages[0].content[0].type'],
    [{ ...HELLO, max_tokens: 0 }, 'max_tokens'],
    [{ ...HELLO, max_tokens: 1.5 }, 'max_tokens'],
    [{ ...HELLO, max_tokens: '5' }, 'max_tokens'],
    [{ ...HELLO, max_tokens: 1e12 }, 'max_tokens'],
    [{ ...HELLO, max_tokens: 5, max_completion_tokens: 6 }, 'max_tokens'],
    [{ ...HELLO, temperature: -0.1 }, 'temperature'],
    [{ ...HELLO, temperature: 2.1 }, 'temperature'],
    [{ ...HELLO, top_p: 1.1 }, 'top_p'],
    [{ ...HELLO, top_k: 0.5 }, 'top_k'],
    [{ ...HELLO, seed: 2 ** 60 }, 'seed'],
    [{ ...HELLO, stop: ['a', 'b', 'c', 'd', 'e'] }, 'stop'],
    [{ ...HELLO, stop: [''] }, 'stop[0]'],
    [{ ...HELLO, stream: 'yes' }, 'stream'],
    [{ ...HELLO, stream_options: { include_usage: true } }, 'stream_options'],
    [{ ...HELLO, stream: true, stream_options: { include_usage: 1 } }, 'stream_options.include_usage'],
    [{ ...HELLO, temprature: 1 }, 'temprature'],
  ])('refuses %j and names %s', (body, param) => {
    expect(refusal(body)).toMatchObject({ status: 400, type: 'invalid_request_error', param });
  });

  it('tells an unknown field from an unsupported one', () => {
    expect(refusal({ ...HELLO, temprature: 1 })).toMatchObject({ code: 'unknown_parameter' });
    expect(refusal(JSON.parse('{"model":"m","messages":[],"__proto__":{"n":2}}'))).toMatchObject({ status: 400 });
  });

  it('does not echo a field name of a megabyte', () => {
    const { message, param } = refusal({ ...HELLO, ['x'.repeat(1_000_000)]: 1 });
    expect(message.length + (param?.length ?? 0)).toBeLessThan(300);
  });

  it('counts images over all messages', () => {
    const many = (count: number) => ({
      model: 'm',
      messages: [
        { role: 'user', content: Array.from({ length: count - 1 }, () => IMAGE) },
        { role: 'user', content: [{ type: 'text', text: 'and' }, IMAGE] },
      ],
    });
    expect(parse(many(IMAGES_PER_REQUEST_MAX)).messages).toHaveLength(2);
    expect(refusal(many(IMAGES_PER_REQUEST_MAX + 1))).toMatchObject({ param: 'messages[1].content[1]' });
  });

  it('keeps text as it is, white space and nulls included', () => {
    const text = ' \u0000\n<image>\u{1F600} ';
    expect(parse(withPart({ type: 'text', text })).messages[0]?.content).toEqual([{ type: 'text', text }]);
  });
});
