import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { buildChoice } from '../../../src/core/protocol/answer-delta.ts';
import { createRandom } from '../../../src/endpoint/random.ts';
import { readCalls } from '../../../src/endpoint/tools/call-reader.ts';
import { findToolSyntax, type ToolCallSyntax } from '../../../src/endpoint/tools/tool-syntax.ts';
import { type TemplateName, toolTemplate } from '../../support/tool-templates.ts';
import { createChatTemplate } from '../../../src/core/prompt/chat-template.ts';

interface Message {
  content?: string;
  tool_calls?: { function: { name: string; arguments: object } }[];
}

const { answers } = JSON.parse(readFileSync('test/fixtures/golden/tools.json', 'utf8')) as {
  answers: { text: string; message: Message }[];
};

function syntaxOf(name: TemplateName | 'hermes'): ToolCallSyntax {
  const hermes = (): string => readFileSync('models/vora-random/tokenizer_config.json', 'utf8');
  const syntax = findToolSyntax(name === 'hermes' ? createChatTemplate(hermes()) : toolTemplate(name));
  if (syntax === null) {
    throw new Error(`no syntax in ${name}`);
  }
  return syntax;
}

/** What is read of a text that comes in pieces of a few characters. */
function read(
  syntax: ToolCallSyntax,
  text: string,
  seed: number,
): { content: string; calls: { name: string; arguments: string }[]; ids: string[] } {
  const random = createRandom(seed);
  let ids = 0;
  const reader = readCalls(syntax, () => `id${ids++}`);
  const choice = buildChoice(false);
  for (let at = 0; at < text.length;) {
    const length = 1 + Math.floor(random() * 7);
    reader.push(text.slice(at, at + length)).forEach((delta) => choice.add(delta));
    at += length;
  }
  reader.end().forEach((delta) => choice.add(delta));
  expect(reader.held()).toBe(0);
  const { text: content, toolCalls } = choice.finish('stop');
  return {
    content,
    calls: toolCalls.map(({ name, arguments: json }) => ({ name, arguments: json })),
    ids: toolCalls.map(({ id }) => id),
  };
}

describe('readCalls', () => {
  it.each(answers)('reads what transformers reads: $text', ({ text, message }) => {
    for (let seed = 0; seed < 20; seed++) {
      const { content, calls, ids } = read(syntaxOf('hermes'), text, seed);
      expect(content).toBe(message.content ?? '');
      expect(calls.map((call) => ({ name: call.name, arguments: JSON.parse(call.arguments) as object }))).toEqual(
        (message.tool_calls ?? []).map((call) => call.function),
      );
      expect(ids).toEqual(calls.map((_, index) => `id${index}`));
    }
  });

  it.each<[TemplateName | 'hermes', string, string, [string, string][]]>([
    ['mistral', 'Text [TOOL_CALLS', 'Text [TOOL_CALLS', []],
    ['mistral', '[TOOL_CALLS][{"name": "a", "arguments": {"x": "]}"}}]', '', [['a', '{"x": "]}"}']]],
    [
      'mistral',
      'Text\n[TOOL_CALLS][{"name": "a", "arguments": {}}, {"name": "b", "arguments": [1]}]',
      'Text',
      [
        ['a', '{}'],
        ['b', '[1]'],
      ],
    ],
    ['llama3', '{"name": "a", "parameters": {"x": {"y": "\\"}"}}}', '', [['a', '{"x": {"y": "\\"}"}}']]],
    ['llama3', 'Text with {"name": "a", "parameters": {}}', 'Text with {"name": "a", "parameters": {}}', []],
    ['llama3', '', '', []],
    ['hermes', '<tool_call>\n{"name": "a", "arguments": 7}\n</tool_call>', '', [['a', '7']]],
    ['hermes', 'a < b\n\n<tool_call>\n{"name": "a", "arguments": {"cut', 'a < b\n', [['a', '{"cut']]],
    ['hermes', 'a\n<tool_cal', 'a\n<tool_cal', []],
    ['hermes', 'a\n<tool_call>\n{"na', 'a', []],
  ])('reads %s: %j', (name, text, content, calls) => {
    for (let seed = 0; seed < 10; seed++) {
      const found = read(syntaxOf(name), text, seed);
      expect(found.content).toBe(content);
      expect(found.calls.map((call) => [call.name, call.arguments])).toEqual(calls);
    }
  });

  it('gives out text and arguments as soon as they are certain', () => {
    const reader = readCalls(syntaxOf('hermes'), () => 'id');
    expect(reader.push('Hello <')).toEqual([{ kind: 'text', text: 'Hello ' }]);
    expect(reader.push('b>\n')).toEqual([{ kind: 'text', text: '<b>' }]);
    expect(reader.push('<tool_call>\n{"name": "zoom')).toEqual([]);
    expect(reader.push('", "argum')).toEqual([{ kind: 'call', call: 0, id: 'id', name: 'zoom' }]);
    expect(reader.push('ents": {"a')).toEqual([{ kind: 'arguments', call: 0, text: '{"a' }]);
    expect(reader.push('": 1}')).toEqual([{ kind: 'arguments', call: 0, text: '": 1}' }]);
    expect(reader.push('}\n</tool_call>')).toEqual([]);
    expect(reader.end()).toEqual([]);
  });
});
