import { describe, expect, it } from 'vitest';
import {
  type AnswerDelta,
  buildChoice,
  type Choice,
  type TokenLogprob,
} from '../../../src/core/protocol/answer-delta.ts';
import {
  completion,
  deltaChunk,
  finishChunk,
  model,
  modelList,
  roleChunk,
  usageChunk,
} from '../../../src/core/protocol/chat-response.ts';
import { encodeEvent } from '../../../src/core/protocol/sse.ts';
import { chatCompletion, checkStream, modelList as modelListSchema } from '../../support/openai-wire.ts';

const identity = { id: 'chatcmpl-1', created: 5, model: 'm' };
const usage = { promptTokens: 3, completionTokens: 4 };
const wireUsage = { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 };
const TOKEN: TokenLogprob = {
  token: 'a',
  logprob: -0.5,
  bytes: [97],
  top_logprobs: [{ token: '<end>', logprob: -9999, bytes: null }],
};

function choice(
  deltas: AnswerDelta[],
  finishReason: Choice['finishReason'],
  tokens: TokenLogprob[] | null = null,
): Choice {
  const builder = buildChoice(tokens !== null);
  deltas.forEach((delta) => builder.add(delta));
  builder.list(tokens ?? [], deltas[0]?.kind ?? 'text');
  return builder.finish(finishReason);
}

const CALLS: AnswerDelta[] = [
  { kind: 'call', call: 0, id: 'a', name: 'f' },
  { kind: 'arguments', call: 0, text: '{"x"' },
  { kind: 'arguments', call: 0, text: ':1}' },
  { kind: 'call', call: 1, id: 'b', name: 'g' },
];

describe('response builders', () => {
  it('build a completion with every required key', () => {
    const built = completion(
      identity,
      [
        choice(
          [
            { kind: 'text', text: 'h' },
            { kind: 'text', text: 'i' },
          ],
          'length',
        ),
      ],
      usage,
    );
    expect(chatCompletion.parse(built)).toEqual({
      ...identity,
      object: 'chat.completion',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'hi', refusal: null },
          finish_reason: 'length',
          logprobs: null,
        },
      ],
      usage: wireUsage,
    });
  });

  it.each<[string, Choice, object]>([
    ['nothing', choice([], 'stop'), { content: '', refusal: null }],
    [
      'tool calls',
      choice(CALLS, 'tool_calls'),
      {
        content: null,
        refusal: null,
        tool_calls: [
          { id: 'a', type: 'function', function: { name: 'f', arguments: '{"x":1}' } },
          { id: 'b', type: 'function', function: { name: 'g', arguments: '' } },
        ],
      },
    ],
    [
      'text and a call',
      choice([{ kind: 'text', text: 't' }, ...CALLS.slice(3).map((delta) => ({ ...delta, call: 0 }))], 'tool_calls'),
      { content: 't' },
    ],
    ['a refusal', choice([{ kind: 'refusal', text: 'no' }], 'stop'), { content: null, refusal: 'no' }],
  ])('build a message of %s', (_, made, message) => {
    const built = chatCompletion.parse(completion(identity, [made], usage));
    expect(built.choices[0]?.message).toMatchObject(message);
  });

  it('list tokens under the key of what they are, with both keys there', () => {
    const [text, refused] = [
      choice([{ kind: 'text', text: 'a' }], 'stop', [TOKEN]),
      choice([{ kind: 'refusal', text: 'a' }], 'stop', [TOKEN]),
    ];
    const built = chatCompletion.parse(completion(identity, [text, refused, choice([], 'stop', [])], usage));
    expect(built.choices.map(({ logprobs }) => logprobs)).toEqual([
      { content: [TOKEN], refusal: null },
      { content: null, refusal: [TOKEN] },
      { content: [], refusal: null },
    ]);
  });

  it.each([true, false])('build the chunks of a stream of two choices, usage asked for: %s', (includeUsage) => {
    const options = { includeUsage };
    const chunks = [
      ...[0, 1].map((index) => roleChunk(identity, { ...options, index })),
      deltaChunk(identity, { kind: 'text', text: 'x' }, { ...options, index: 1, logprobs: [TOKEN] }),
      ...CALLS.map((delta) => deltaChunk(identity, delta, options)),
      deltaChunk(identity, { kind: 'refusal', text: 'no' }, { ...options, index: 1 }),
      finishChunk(identity, 'tool_calls', options),
      finishChunk(identity, 'length', { ...options, index: 1, logprobs: [TOKEN] }),
      ...(includeUsage ? [usageChunk(identity, usage)] : []),
    ];
    const text = `${chunks.map(encodeEvent).join('')}data: [DONE]\n\n`;
    const read = checkStream(text, { choices: 2, usage: includeUsage });
    expect(read.map(({ choices }) => choices[0]?.delta)).toEqual([
      { role: 'assistant', content: '' },
      { role: 'assistant', content: '' },
      { content: 'x' },
      { tool_calls: [{ index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '' } }] },
      { tool_calls: [{ index: 0, function: { arguments: '{"x"' } }] },
      { tool_calls: [{ index: 0, function: { arguments: ':1}' } }] },
      { tool_calls: [{ index: 1, id: 'b', type: 'function', function: { name: 'g', arguments: '' } }] },
      { refusal: 'no' },
      {},
      {},
      ...(includeUsage ? [undefined] : []),
    ]);
    expect(read[2]?.choices[0]?.logprobs).toEqual({ content: [TOKEN], refusal: null });
  });

  it('leave nothing of a wider identity object behind', () => {
    const wider = { ...identity, secret: 1 };
    expect(deltaChunk(wider, { kind: 'text', text: 'x' }, { includeUsage: false })).not.toHaveProperty('secret');
  });

  it('list models', () => {
    const entry = { id: 'm', object: 'model', created: 5, owned_by: 'vora' };
    expect(modelListSchema.parse(modelList([model('m', 5)]))).toEqual({ object: 'list', data: [entry] });
  });
});
