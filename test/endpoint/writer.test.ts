import { describe, expect, it } from 'vitest';
import { createWriter, type Writer } from '../../src/endpoint/writer.ts';
import { findToolSyntax } from '../../src/endpoint/tools/tool-syntax.ts';
import { generationParams } from '../support/generation-params.ts';
import { toolTemplate } from '../support/tool-templates.ts';

const TOKENS: (string | number[])[] = [
  'a',
  'b',
  'END',
  [0xf0, 0x9f],
  [0x98, 0x80],
  'bEN',
  'D',
  '[TOOL_CALLS]',
  '[{"name": "f", "arguments": ',
  '{"x": "END"}',
  '}]',
  [],
  'stop',
];
const END = TOKENS.indexOf('stop');
const CONTROL = 11;
const utf8 = new TextEncoder();
const parts = {
  tokenizer: {
    bytesOf: (id: number) => {
      const token = TOKENS[id] ?? '';
      return typeof token === 'string' ? utf8.encode(token) : Uint8Array.from(token);
    },
    controlOf: (id: number) => (id === CONTROL ? '<|control|>' : null),
  },
  endTokens: new Set([END]),
};
const LOGITS = Float32Array.from(TOKENS, (_, id) => -id);

function writer(changes: Parameters<typeof generationParams>[0]): Writer {
  return createWriter(generationParams({ topLogprobs: 2, ...changes }), parts);
}

/** For each token: the text that it shows, the tokens listed with it, and why it ends the answer. */
function run(tokens: number[], made: Writer): (string | null)[][] {
  return tokens.map((token) => {
    const { deltas, tokens: listed, finishReason } = made.write(token, LOGITS);
    const text = deltas
      .map((delta) =>
        delta.kind === 'text' ? delta.text : delta.kind === 'arguments' ? delta.text : `<${delta.kind}>`,
      )
      .join('');
    return [text, listed.map((entry) => entry.token).join('|'), finishReason];
  });
}

describe('createWriter', () => {
  it('lists a token when its text is shown, half a character with its other half', () => {
    expect(run([0, 3, 4, 1, END], writer({}))).toEqual([
      ['a', 'a', null],
      ['', '', null],
      ['😀', '\ufffd|\ufffd\ufffd', null],
      ['b', 'b', null],
      ['', '', 'stop'],
    ]);
  });

  it('lists no token that begins in a stop string, and the one that only ends in it', () => {
    expect(run([0, 5, 6], writer({ stop: ['END'] }))).toEqual([
      ['a', 'a', null],
      ['b', 'bEN', null],
      ['', '', 'stop'],
    ]);
  });

  it('lists what turned out to be no stop string', () => {
    expect(run([5, 0, 5], writer({ stop: ['END'], maxTokens: 3 }))).toEqual([
      ['b', 'bEN', null],
      ['ENa', 'a', null],
      ['bEN', 'bEN', 'length'],
    ]);
  });

  it('names a control token and gives it no bytes', () => {
    const made = writer({ topLogprobs: 0 });
    made.write(CONTROL, LOGITS);
    expect(made.write(0, LOGITS).tokens).toMatchObject([
      { token: '<|control|>', bytes: null, top_logprobs: [] },
      { token: 'a', bytes: [97] },
    ]);
  });

  it('looks for stop strings in text alone, and lists the tokens of a call', () => {
    const syntax = findToolSyntax(toolTemplate('mistral'));
    if (syntax === null) {
      throw new Error('no syntax');
    }
    const transcript = { stop: ['END'], toolCalls: { syntax, newId: () => 'id' } };
    expect(run([0, 7, 8, 9, 10, END], writer({ transcript }))).toEqual([
      ['a', 'a', null],
      ['', '[TOOL_CALLS]', null],
      ['<call>', '[{"name": "f", "arguments": ', null],
      ['{"x": "END"}', '{"x": "END"}', null],
      ['', '', null],
      ['', '}]', 'tool_calls'],
    ]);
    expect(run([0, 2], writer({ transcript }))[1]).toEqual(['', '', 'stop']);
  });

  it('gives log-softmax values, the most likely first', () => {
    const [listed] = writer({ topLogprobs: 3 }).write(1, LOGITS).tokens;
    const total = Math.log(LOGITS.reduce((sum, logit) => sum + Math.exp(logit), 0));
    expect(listed?.logprob).toBeCloseTo(-1 - total, 12);
    expect(listed?.top_logprobs.map(({ token }) => token)).toEqual(['a', 'b', 'END']);
    expect(listed?.top_logprobs[0]?.logprob).toBeCloseTo(-total, 12);
    const impossible = writer({}).write(0, Float32Array.from([-Infinity, 0])).tokens;
    expect(impossible[0]?.logprob).toBe(-9999);
  });
});
