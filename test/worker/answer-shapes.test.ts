import { describe, expect, it } from 'vitest';
import { chatCompletion, checkStream } from '../support/openai-wire.ts';
import { DONE_EVENT, event, fakeUpstream, goodAnswer, type Step, textEvent, usageEvent } from './fake-upstream.ts';
import { question, testApp } from './test-app.ts';

const TOOL = {
  type: 'function',
  function: { name: 'zoom', description: 'Looks closer.', parameters: { type: 'object' } },
};
const TOKEN = { token: 'a', logprob: -0.5, bytes: [97], top_logprobs: [{ token: 'b', logprob: -1, bytes: null }] };

/** A chunk of one choice, as an upstream writes it. */
function choice(index: number, delta: object, more: object = {}): string {
  return event({ choices: [{ index, delta, finish_reason: null, ...more }] });
}

function finish(index: number, reason = 'stop'): string {
  return choice(index, {}, { finish_reason: reason });
}

function call(index: number, fields: object): string {
  return choice(0, { tool_calls: [{ index, ...fields }] });
}

const END = [usageEvent(10, 4), DONE_EVENT];
const CALLS: Step[] = [
  choice(0, { role: 'assistant', content: 'I look.' }),
  call(0, { id: 'a', type: 'function', function: { name: 'zoom', arguments: '' } }),
  call(0, { function: { arguments: '{"x":' } }),
  call(0, { function: { arguments: '1}' } }),
  call(1, { id: 'b', type: 'function', function: { name: 'stop', arguments: '{}' } }),
  finish(0, 'tool_calls'),
  ...END,
];

async function whole(steps: Step[], body: object) {
  const response = await testApp(fakeUpstream(steps)).chat({ ...question('Hi'), ...body });
  return chatCompletion.parse(await response.json());
}

async function stream(steps: Step[], body: { n?: number; tools?: object[] }) {
  const response = await testApp(fakeUpstream(steps)).chat({
    ...question('Hi'),
    ...body,
    stream: true,
    stream_options: { include_usage: true },
  });
  return checkStream(await response.text(), { choices: body.n ?? 1, usage: true });
}

describe('what goes upstream', () => {
  it('is every field that was asked for, in OpenAI’s words', async () => {
    const upstream = fakeUpstream(goodAnswer());
    const fields = {
      n: 1,
      max_tokens: 7,
      temperature: 0.25,
      top_p: 0.5,
      top_k: 40,
      seed: -3,
      stop: ['END', 'FIN'],
      logprobs: true,
      top_logprobs: 3,
      frequency_penalty: 0.5,
      presence_penalty: -0.5,
      logit_bias: { 5: -100 },
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'x', description: 'A form.', schema: { type: 'object' }, strict: true },
      },
      tools: [{ ...TOOL, function: { ...TOOL.function, strict: true } }],
      tool_choice: 'auto',
      parallel_tool_calls: false,
    };
    await testApp(upstream).chat({ ...question('Hi'), ...fields });
    const { n: _, ...sent } = fields;
    expect(upstream.calls[0]?.body).toMatchObject(sent);
    expect(upstream.calls[0]?.body).not.toHaveProperty('n');
    const other = { n: 2, tools: [TOOL], tool_choice: { type: 'function', function: { name: 'zoom' } } };
    await testApp(upstream).chat({ ...question('Hi'), ...other });
    expect(upstream.calls[1]?.body).toMatchObject(other);
    const form = { response_format: { type: 'json_object' } };
    await testApp(upstream).chat({ ...question('Hi'), ...form, max_completion_tokens: 9 });
    expect(upstream.calls[2]?.body).toMatchObject({ ...form, max_tokens: 9 });
  });

  it('is nothing of what nobody asked for', async () => {
    const upstream = fakeUpstream(goodAnswer());
    await testApp(upstream).chat({
      ...question('Hi'),
      n: 1,
      tools: [],
      response_format: { type: 'text' },
      logprobs: false,
    });
    expect(Object.keys(upstream.calls[0]?.body ?? {}).sort()).toEqual([
      'messages',
      'model',
      'stream',
      'stream_options',
    ]);
  });

  it('is a conversation with tool calls, texts as strings beside them', async () => {
    const upstream = fakeUpstream(goodAnswer());
    const made = [{ id: 'a', type: 'function', function: { name: 'zoom', arguments: '{"x": 1}' } }];
    const messages = [
      { role: 'user', content: 'q' },
      { role: 'assistant', content: null, tool_calls: made },
      {
        role: 'tool',
        tool_call_id: 'a',
        content: [
          { type: 'text', text: 'one ' },
          { type: 'text', text: 'two' },
        ],
      },
      { role: 'assistant', content: 'Again.', tool_calls: made },
      { role: 'tool', tool_call_id: 'a', content: 'three' },
    ];
    await testApp(upstream).chat({ messages, tools: [TOOL] });
    const sent = (upstream.calls[0]?.body['messages'] ?? []) as object[];
    expect(sent.slice(1)).toEqual([
      { role: 'assistant', content: null, tool_calls: made },
      { role: 'tool', tool_call_id: 'a', content: 'one two' },
      { role: 'assistant', content: 'Again.', tool_calls: made },
      { role: 'tool', tool_call_id: 'a', content: 'three' },
    ]);
  });
});

describe('tool calls of an upstream', () => {
  it('are relayed piece by piece and put together', async () => {
    const expected = [
      { id: 'a', type: 'function', function: { name: 'zoom', arguments: '{"x":1}' } },
      { id: 'b', type: 'function', function: { name: 'stop', arguments: '{}' } },
    ];
    const answer = await whole(CALLS, { tools: [TOOL] });
    expect(answer.choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: { content: 'I look.', tool_calls: expected },
    });
    const chunks = await stream(CALLS, { tools: [TOOL] });
    const pieces = chunks.flatMap(({ choices }) => choices[0]?.delta.tool_calls ?? []);
    expect(pieces.map(({ index, function: fn }) => [index, fn?.arguments])).toEqual([
      [0, ''],
      [0, '{"x":'],
      [0, '1}'],
      [1, ''],
      [1, '{}'],
    ]);
  });

  it('may name id and function with every piece, and leave out empty fields', async () => {
    const again = { id: 'a', function: { name: 'zoom', arguments: '{}' } };
    const steps = [call(0, { id: 'a', function: { name: 'zoom' } }), call(0, again), finish(0, 'tool_calls'), ...END];
    const answer = await whole(steps, { tools: [TOOL] });
    expect(answer.choices[0]?.message).toEqual({
      role: 'assistant',
      content: null,
      refusal: null,
      tool_calls: [{ id: 'a', type: 'function', function: { name: 'zoom', arguments: '{}' } }],
    });
  });

  it.each<[string, Step[], RegExp]>([
    ['no id', [call(0, { function: { name: 'zoom', arguments: '' } })], /without its id or name/],
    ['no name', [call(0, { id: 'a', function: { arguments: '{}' } })], /without its id or name/],
    ['a call left out', [call(1, { id: 'a', function: { name: 'zoom' } })], /left out a tool call/],
    [
      'no index to tell two apart',
      [
        choice(0, {
          tool_calls: [
            { id: 'a', function: { name: 'f', arguments: '{}' } },
            { id: 'b', function: { name: 'g', arguments: '{}' } },
          ],
        }),
      ],
      /two tool calls as one/,
    ],
    ['a call after the end', [finish(0), call(0, { id: 'a', function: { name: 'zoom' } })], /went on after the end/],
    ['no end', CALLS.slice(0, 4), /cut off/],
  ])('with %s are an error, streamed or not', async (_, steps, message) => {
    for (const asStream of [true, false]) {
      const response = await testApp(fakeUpstream([...steps, ...END])).chat({
        ...question('Hi'),
        tools: [TOOL],
        stream: asStream,
      });
      const text = await response.text();
      expect(text).toMatch(message);
      expect(text).not.toContain('[DONE]');
    }
  });
});

it.each<[string, Step[]]>([
  ['calls a tool', CALLS],
  ['says that it did', [choice(0, { content: 'Hm.' }), finish(0, 'tool_calls'), ...END]],
])('an upstream that %s, which nobody offered, is an error', async (_, steps) => {
  for (const asStream of [true, false]) {
    const response = await testApp(fakeUpstream(steps)).chat({ ...question('Hi'), stream: asStream });
    expect(await response.text()).toContain('called a tool that nobody offered');
  }
});

describe('choices of an upstream', () => {
  const TWO: Step[] = [
    choice(1, { content: 'B' }),
    choice(0, { content: 'A' }),
    finish(1, 'length'),
    choice(0, { content: 'a' }),
    finish(0),
    ...END,
  ];

  it('are told apart, in whatever order they come', async () => {
    const answer = await whole(TWO, { n: 2 });
    expect(answer.choices.map(({ message, finish_reason }) => [message.content, finish_reason])).toEqual([
      ['Aa', 'stop'],
      ['B', 'length'],
    ]);
    const chunks = await stream(TWO, { n: 2 });
    const text = (index: number): string =>
      chunks
        .flatMap(({ choices }) => choices.filter((one) => one.index === index).map(({ delta }) => delta.content ?? ''))
        .join('');
    expect([text(0), text(1)]).toEqual(['Aa', 'B']);
  });

  it('that are empty have their role and end all the same', async () => {
    const steps = [finish(1), finish(0), ...END];
    expect((await whole(steps, { n: 2 })).choices.map(({ message }) => message.content)).toEqual(['', '']);
    expect(await stream(steps, { n: 2 })).toHaveLength(5);
  });

  it.each<[string, Step[], RegExp]>([
    ['one missing', [choice(0, { content: 'A' }), finish(0), ...END], /cut off/],
    ['one without its end', [choice(0, { content: 'A' }), finish(0), choice(1, { content: 'B' }), ...END], /cut off/],
    ['one too many', [choice(2, { content: 'C' }), ...END], /choice 2 of 2/],
    ['one that ends twice', [finish(0), finish(1), finish(1), ...END], /went on after the end/],
  ])('with %s are an error, streamed or not', async (_, steps, message) => {
    for (const asStream of [true, false]) {
      const response = await testApp(fakeUpstream(steps)).chat({ ...question('Hi'), n: 2, stream: asStream });
      const text = await response.text();
      expect(text).toMatch(message);
      expect(text).not.toContain('"finish_reason":"stop"');
    }
  });
});

describe('logprobs of an upstream', () => {
  const listed = choice(0, { content: 'a' }, { logprobs: { content: [TOKEN] } });

  it('are relayed with their text', async () => {
    const steps = [
      listed,
      choice(0, { content: '' }, { logprobs: { content: [TOKEN], refusal: null } }),
      finish(0),
      ...END,
    ];
    const answer = await whole(steps, { logprobs: true, top_logprobs: 1 });
    expect(answer.choices[0]?.logprobs).toEqual({ content: [TOKEN, TOKEN], refusal: null });
    const response = await testApp(fakeUpstream(steps)).chat({
      ...question('Hi'),
      logprobs: true,
      top_logprobs: 1,
      stream: true,
    });
    const chunks = checkStream(await response.text(), { choices: 1, usage: false });
    expect(chunks.map(({ choices }) => choices[0]?.logprobs?.content?.length ?? 0)).toEqual([0, 1, 1, 0]);
  });

  it('are not relayed to a client that did not ask', async () => {
    expect((await whole([listed, finish(0), ...END], {})).choices[0]?.logprobs).toBeNull();
  });

  it('that are left out though asked for are an error', async () => {
    const response = await testApp(fakeUpstream(goodAnswer())).chat({ ...question('Hi'), logprobs: true });
    expect(response.status).toBe(502);
    expect(await response.text()).toContain('left out the logprobs');
  });
});

it('relays a refusal as one', async () => {
  const steps = [choice(0, { refusal: 'I will ' }), choice(0, { refusal: 'not.' }), finish(0), ...END];
  expect((await whole(steps, {})).choices[0]?.message).toEqual({
    role: 'assistant',
    content: null,
    refusal: 'I will not.',
  });
  expect((await stream(steps, {})).map(({ choices }) => choices[0]?.delta.refusal ?? '').join('')).toBe('I will not.');
});

it('stops collecting an answer whose lists grow without end', async () => {
  const many = {
    content: Array.from({ length: 400 }, () => ({
      ...TOKEN,
      top_logprobs: Array(20).fill(TOKEN.top_logprobs[0]) as object[],
    })),
  };
  const steps = Array.from({ length: 40 }, () => choice(0, { content: 'a' }, { logprobs: many }));
  const response = await testApp(fakeUpstream([...steps, finish(0), ...END])).chat({
    ...question('Hi'),
    logprobs: true,
    top_logprobs: 20,
  });
  expect(response.status).toBe(502);
  expect(await response.text()).toContain('grew over');
});

it('reads an upstream that leaves out the index of its one choice', async () => {
  const steps = [
    event({ choices: [{ delta: { content: 'a' } }] }),
    event({ choices: [{ finish_reason: 'stop' }] }),
    textEvent('').replace('"index":0,', ''),
    ...END,
  ];
  expect((await whole(steps, {})).choices[0]?.message.content).toBe('a');
});
