import { describe, expect, it } from 'vitest';
import {
  CHOICES_MAX,
  DESCRIPTION_MAX_CHARS,
  LOGIT_BIAS_ENTRIES_MAX,
  SCHEMA_DEPTH_MAX,
  SCHEMA_MAX_CHARS,
  SCHEMAS_TOTAL_MAX_CHARS,
  TOOL_CALLS_MAX,
  TOOLS_MAX,
} from '../../../src/core/limits.ts';
import { parseChatRequest } from '../../../src/core/protocol/chat-request.ts';
import { RequestError, toWireError } from '../../../src/core/protocol/failure.ts';
import { FEATURES, featuresOf, requireFeatures } from '../../../src/core/protocol/request-feature.ts';

const HELLO = { model: 'm', messages: [{ role: 'user', content: 'Hello' }] };
const PARAMETERS = { type: 'object', properties: { a: { type: 'string' } } };
const tool = (name: string, more: object = {}) => ({ type: 'function', function: { name, ...more } });
const call = (id: string, json = '{}') => ({ id, type: 'function', function: { name: 'f', arguments: json } });
const answer = (id: string, content: unknown = 'x') => ({ role: 'tool', tool_call_id: id, content });
const nested = (depth: number): object => Array.from({ length: depth }).reduce<object>((inner) => ({ a: inner }), {});

function parse(body: object) {
  return parseChatRequest({ ...HELLO, ...body }, { parts: 'client' });
}

function refusal(body: object) {
  try {
    parse(body);
  } catch (error) {
    if (error instanceof RequestError) {
      const { status, body: wire } = toWireError(error.failure);
      return { status, ...wire.error };
    }
    throw error;
  }
  throw new Error('the request was accepted');
}

describe('a request with tools, forms, choices and biases', () => {
  it('is read field by field', () => {
    expect(
      parse({
        n: 3,
        logprobs: true,
        top_logprobs: 20,
        frequency_penalty: -2,
        presence_penalty: 1.5,
        logit_bias: { 5: -100, '17': 2.5 },
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'x', description: 'd', schema: PARAMETERS, strict: true },
        },
        tools: [tool('f', { description: 'd', parameters: PARAMETERS, strict: null }), tool('g', { strict: true })],
        tool_choice: 'auto',
        parallel_tool_calls: false,
      }),
    ).toMatchObject({
      choices: 3,
      topLogprobs: 20,
      frequencyPenalty: -2,
      presencePenalty: 1.5,
      logitBias: new Map([
        [5, -100],
        [17, 2.5],
      ]),
      format: { type: 'json_schema', name: 'x', description: 'd', schema: PARAMETERS, strict: true },
      tools: [
        { name: 'f', description: 'd', parameters: PARAMETERS, strict: false },
        { name: 'g', strict: true },
      ],
      toolChoice: 'auto',
      parallelToolCalls: false,
    });
    expect(parse({ logprobs: true }).topLogprobs).toBe(0);
    expect(parse({ response_format: { type: 'json_object' } }).format).toEqual({ type: 'json_object' });
    expect(parse({ tools: [tool('f')], tool_choice: tool('f') }).toolChoice).toEqual({ name: 'f' });
    expect(parse({ tools: [tool('f')], tool_choice: 'required' }).toolChoice).toBe('required');
  });

  it('may be the middle of a conversation with tools', () => {
    const messages = [
      { role: 'user', content: 'q' },
      { role: 'assistant', content: null, tool_calls: [call('a', '{"x":1}'), call('b')] },
      answer('b', [{ type: 'text', text: 'one' }]),
      answer('a'),
      { role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }] },
      { role: 'assistant', content: 'so', tool_calls: [call('a')] },
      answer('a'),
    ];
    expect(parse({ messages }).messages).toMatchObject([
      {},
      { role: 'assistant', content: [], toolCalls: [{ id: 'a', name: 'f', arguments: '{"x":1}' }, { id: 'b' }] },
      { role: 'tool', toolCallId: 'b', content: [{ type: 'text', text: 'one' }] },
      { role: 'tool', toolCallId: 'a' },
      { role: 'user', content: [{ type: 'image_url' }] },
      { role: 'assistant', content: [{ type: 'text', text: 'so' }] },
      {},
    ]);
  });

  const many = <Item>(count: number, item: (index: number) => Item): Item[] =>
    Array.from({ length: count }, (_, i) => item(i));

  it.each<[object, string, string | null]>([
    [{ n: 0 }, 'n', null],
    [{ n: CHOICES_MAX + 1 }, 'n', null],
    [{ n: 1.5 }, 'n', null],
    [{ logprobs: 'yes' }, 'logprobs', null],
    [{ top_logprobs: 2 }, 'top_logprobs', null],
    [{ logprobs: true, top_logprobs: 21 }, 'top_logprobs', null],
    [{ logprobs: true, top_logprobs: -1 }, 'top_logprobs', null],
    [{ frequency_penalty: 2.1 }, 'frequency_penalty', null],
    [{ presence_penalty: -2.1 }, 'presence_penalty', null],
    [{ logit_bias: { a: 1 } }, 'logit_bias.a', null],
    [{ logit_bias: { 1: 101 } }, 'logit_bias.1', null],
    [{ logit_bias: [] }, 'logit_bias', null],
    [{ logit_bias: Object.fromEntries(many(LOGIT_BIAS_ENTRIES_MAX + 1, (i) => [i, 0])) }, 'logit_bias', null],
    [{ response_format: 'json' }, 'response_format', null],
    [{ response_format: { type: 'xml' } }, 'response_format.type', 'unknown_parameter'],
    [{ response_format: { type: 'grammar', grammar: '' } }, 'response_format.type', 'unsupported_parameter'],
    [{ response_format: { type: 'json_schema' } }, 'response_format.json_schema', null],
    [
      { response_format: { type: 'json_schema', json_schema: { name: 'a b' } } },
      'response_format.json_schema.name',
      null,
    ],
    [
      { response_format: { type: 'json_schema', json_schema: { name: 'a', schema: [] } } },
      'response_format.json_schema.schema',
      null,
    ],
    [
      { response_format: { type: 'json_schema', json_schema: { name: 'a', schema: nested(SCHEMA_DEPTH_MAX) } } },
      'response_format.json_schema.schema',
      null,
    ],
    [
      {
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'a', schema: { x: 'x'.repeat(SCHEMA_MAX_CHARS) } },
        },
      },
      'response_format.json_schema.schema',
      null,
    ],
    [
      { response_format: { type: 'json_object' }, tools: [tool('f')], tool_choice: 'required' },
      'response_format',
      null,
    ],
    [{ tools: {} }, 'tools', null],
    [{ tools: [{}] }, 'tools[0].type', null],
    [{ tools: [{ type: 'custom', custom: { name: 'x' } }] }, 'tools[0].type', 'unsupported_parameter'],
    [{ tools: [{ type: 'web_search' }] }, 'tools[0].type', 'unknown_parameter'],
    [{ tools: [tool('a b')] }, 'tools[0].function.name', null],
    [{ tools: [tool('x'.repeat(65))] }, 'tools[0].function.name', null],
    [
      { tools: [tool('a', { description: 'x'.repeat(DESCRIPTION_MAX_CHARS + 1) })] },
      'tools[0].function.description',
      null,
    ],
    [{ tools: [tool('a', { parameters: nested(SCHEMA_DEPTH_MAX + 1) })] }, 'tools[0].function.parameters', null],
    [{ tools: [tool('a', { extra: 1 })] }, 'tools[0].function.extra', 'unknown_parameter'],
    [{ tools: many(TOOLS_MAX + 1, (i) => tool(`f${i}`)) }, 'tools', null],
    [
      { tools: many(5, (i) => tool(`f${i}`, { parameters: { x: 'x'.repeat(SCHEMAS_TOTAL_MAX_CHARS / 5) } })) },
      'tools',
      null,
    ],
    [{ tools: [tool('a'), tool('b'), tool('a')] }, 'tools[2].function.name', null],
    [{ tools: [tool('a')], tool_choice: 'sometimes' }, 'tool_choice', 'unknown_parameter'],
    [
      { tools: [tool('a')], tool_choice: { type: 'allowed_tools', allowed_tools: {} } },
      'tool_choice',
      'unsupported_parameter',
    ],
    [{ tools: [tool('a')], tool_choice: tool('b') }, 'tool_choice', null],
    [{ tools: [tool('a')], parallel_tool_calls: 1 }, 'parallel_tool_calls', null],
    [{ tool_choice: 'required' }, 'tool_choice', null],
    [{ messages: [answer('a')] }, 'messages[0].tool_call_id', null],
    [{ messages: [{ role: 'assistant', tool_calls: [call('a')] }, answer('b')] }, 'messages[1].tool_call_id', null],
    [
      { messages: [{ role: 'assistant', tool_calls: [call('a')] }, answer('a'), answer('a')] },
      'messages[2].tool_call_id',
      null,
    ],
    [
      {
        messages: [
          { role: 'assistant', tool_calls: [call('a'), call('b')] },
          answer('a'),
          { role: 'user', content: 'x' },
        ],
      },
      'messages[0].tool_calls',
      null,
    ],
    [{ messages: [{ role: 'assistant', tool_calls: [call('a')] }] }, 'messages[0].tool_calls', null],
    [{ messages: [{ role: 'assistant' }] }, 'messages[0].content', null],
    [{ messages: [{ role: 'assistant', content: null }] }, 'messages[0].content', null],
    [
      { messages: [{ role: 'assistant', tool_calls: [{ ...call('a'), type: 'custom' }] }, answer('a')] },
      'messages[0].tool_calls[0].type',
      'unsupported_parameter',
    ],
    [
      {
        messages: [
          { role: 'assistant', tool_calls: [{ id: 'a', type: 'function', function: { name: 'f' } }] },
          answer('a'),
        ],
      },
      'messages[0].tool_calls[0].function.arguments',
      null,
    ],
    [{ messages: [{ role: 'assistant', tool_calls: [call('x'.repeat(300))] }] }, 'messages[0].tool_calls[0].id', null],
    [
      { messages: [{ role: 'assistant', tool_calls: many(TOOL_CALLS_MAX + 1, (i) => call(`${i}`)) }] },
      'messages[0].tool_calls',
      null,
    ],
    [{ messages: [{ role: 'user', content: 'x', tool_calls: [] }] }, 'messages[0].tool_calls', 'unknown_parameter'],
    [
      {
        messages: [
          { role: 'assistant', tool_calls: [call('a')] },
          answer('a', [{ type: 'image_url', image_url: { url: 'x' } }]),
        ],
      },
      'messages[1].content[0].type',
      null,
    ],
    [{ messages: [{ role: 'tool', content: 'x' }] }, 'messages[0].tool_call_id', null],
  ])('is refused by the place of its fault: %j', (body, param, code) => {
    expect(refusal(body)).toMatchObject({
      status: 400,
      type: 'invalid_request_error',
      param,
      ...(code === null ? {} : { code }),
    });
  });
});

describe('featuresOf', () => {
  const TOOLS = [tool('f')];
  it.each<[object, [string, string][]]>([
    [{}, []],
    [
      {
        n: 1,
        logprobs: false,
        tools: [],
        logit_bias: {},
        frequency_penalty: 0,
        response_format: { type: 'text' },
        tool_choice: 'none',
      },
      [],
    ],
    [{ tools: TOOLS, tool_choice: 'auto', parallel_tool_calls: true }, [['tools', 'tools']]],
    [{ tools: TOOLS, tool_choice: 'none' }, [['tools', 'tools']]],
    [
      { tools: TOOLS, tool_choice: 'required', parallel_tool_calls: false },
      [
        ['tools', 'tools'],
        ['tool_choice', 'tool_choice'],
        ['parallel_tool_calls', 'parallel_tool_calls'],
      ],
    ],
    [{ messages: [{ role: 'assistant', tool_calls: [call('a')] }, answer('a')] }, [['tools', 'messages[1].role']]],
    [{ response_format: { type: 'json_object' } }, [['json_object', 'response_format']]],
    [{ response_format: { type: 'json_schema', json_schema: { name: 'x' } } }, [['json_schema', 'response_format']]],
    [
      { logprobs: true, n: 2, seed: 1, stop: 'x', top_k: 3 },
      [
        ['logprobs', 'logprobs'],
        ['n', 'n'],
        ['seed', 'seed'],
        ['stop', 'stop'],
        ['top_k', 'top_k'],
      ],
    ],
    [
      { logit_bias: { 1: 1 }, frequency_penalty: 1, presence_penalty: 1 },
      [
        ['logit_bias', 'logit_bias'],
        ['frequency_penalty', 'frequency_penalty'],
        ['presence_penalty', 'presence_penalty'],
      ],
    ],
  ])('of %j are %j', (body, features) => {
    expect([...featuresOf(parse(body))]).toEqual(features);
  });

  it('lets a request pass whose features are all there, and refuses another by the field that asks', () => {
    const chat = parse({ tools: TOOLS, n: 2 });
    expect(() => requireFeatures(chat, new Set(FEATURES))).not.toThrow();
    const failure = { kind: 'invalid-request', param: 'n', code: 'unsupported_parameter' };
    expect(() => requireFeatures(chat, new Set(['tools']))).toThrow(
      expect.objectContaining({ failure: expect.objectContaining(failure) as object }) as Error,
    );
  });
});
