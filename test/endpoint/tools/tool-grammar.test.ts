import { describe, expect, it } from 'vitest';
import type { FunctionTool } from '../../../src/core/protocol/tool.ts';
import { NULL } from '../../../src/endpoint/grammar/json-value.ts';
import { UnsupportedSchema } from '../../../src/endpoint/grammar/unsupported-schema.ts';
import { type ToolCalls, toolGrammar } from '../../../src/endpoint/tools/tool-grammar.ts';
import { findToolSyntax, type ToolCallSyntax } from '../../../src/endpoint/tools/tool-syntax.ts';
import { matches } from '../../support/matches.ts';
import { toolTemplate } from '../../support/tool-templates.ts';
import { createChatTemplate } from '../../../src/core/prompt/chat-template.ts';
import { readFileSync } from 'node:fs';

const TOOLS: FunctionTool[] = [
  {
    name: 'zoom',
    strict: true,
    parameters: { type: 'object', properties: { n: { enum: [1, 2] } }, required: ['n'], additionalProperties: false },
  },
  { name: 'stop', strict: false },
  { name: 'odd', strict: false, parameters: { type: 'object', minProperties: 1 } },
  {
    name: 'half',
    strict: false,
    parameters: {
      properties: { url: { type: 'string', format: 'uri' }, one: { oneOf: [{ type: 'null' }] }, n: { enum: [1] } },
      required: ['url', 'one', 'n'],
    },
  },
  { name: 'never', strict: false, parameters: { enum: [] } },
];

function found(syntax: ToolCallSyntax | null): ToolCallSyntax {
  if (syntax === null) {
    throw new Error('no syntax');
  }
  return syntax;
}

const HERMES = found(
  findToolSyntax(createChatTemplate(readFileSync('models/vora-random/tokenizer_config.json', 'utf8'))),
);
const LLAMA = found(findToolSyntax(toolTemplate('llama3')));

function grammar(syntax: ToolCallSyntax, changes: Partial<ToolCalls>) {
  return toolGrammar(syntax, { tools: TOOLS, choice: 'auto', parallel: true, text: null, ...changes });
}

const call = (name: string, json: string): string =>
  `<tool_call>\n{"name": "${name}", "arguments": ${json}}\n</tool_call>`;

describe('toolGrammar', () => {
  it.each<[string, Partial<ToolCalls>, string, 'whole' | 'begun' | 'no']>([
    ['auto', {}, '', 'whole'],
    ['auto', {}, 'any text < with <tool_cal>', 'whole'],
    ['auto', {}, 'text <tool_call>', 'begun'],
    ['auto', {}, `text ${call('zoom', '{"n":1}')}`, 'whole'],
    ['auto', {}, `<<tool_call<tool_call>${call('stop', '{}').slice(11)}`, 'whole'],
    ['auto', {}, `${call('zoom', '{"n":1}')}\n${call('odd', '{"any": [1]}')}`, 'whole'],
    ['auto', {}, `${call('zoom', '{"n":1}')} more text`, 'no'],
    ['auto', {}, call('zoom', '{"n":3}'), 'no'],
    ['auto', {}, call('other', '{}'), 'no'],
    ['auto', {}, call('stop', '{"a":1}'), 'no'],
    ['auto', {}, call('odd', '[]'), 'no'],
    ['auto', {}, call('half', '{"url":"any","one":[2],"n":1}'), 'whole'],
    ['auto', {}, call('half', '{"url":1,"one":[2],"n":1}'), 'no'],
    ['auto', {}, call('half', '{"url":"any","one":[2],"n":2}'), 'no'],
    ['auto', {}, call('never', '{"a":1}'), 'whole'],
    ['required', { choice: 'required' }, '', 'begun'],
    ['required', { choice: 'required' }, 'text', 'no'],
    ['required', { choice: 'required' }, call('stop', '{}'), 'whole'],
    ['one at most', { choice: 'required', parallel: false }, `${call('stop', '{}')}\n`, 'no'],
    ['named', { choice: { name: 'zoom' } }, call('zoom', '{"n": 2}'), 'whole'],
    ['named', { choice: { name: 'zoom' } }, call('stop', '{}'), 'no'],
    ['named', { choice: { name: 'zoom' } }, `${call('zoom', '{"n":1}')}\n`, 'no'],
    ['a form of text', { text: NULL }, 'null', 'whole'],
    ['a form of text', { text: NULL }, 'text', 'no'],
    ['a form of text', { text: NULL }, call('stop', '{}'), 'whole'],
  ])('%s of Hermes: %j %j is %s', (_, changes, text, expected) => {
    expect(matches(grammar(HERMES, changes), text)).toBe(expected);
  });

  it.each<[Partial<ToolCalls>, string, 'whole' | 'begun' | 'no']>([
    [{}, '', 'whole'],
    [{}, 'text { with', 'whole'],
    [{}, '{"name": "stop", "parameters": {}}', 'whole'],
    [{}, '{"name": "stop", "parameters": {}}\n', 'no'],
    [{}, '{"colour": 1}', 'no'],
    [{ choice: 'required' }, 'text', 'no'],
  ])('of Llama: %j %j is %s', (changes, text, expected) => {
    expect(matches(grammar(LLAMA, changes), text)).toBe(expected);
  });

  it('refuses a form of text that a call of Llama has, too', () => {
    expect(() => grammar(LLAMA, { text: NULL })).toThrow(
      expect.objectContaining({ place: 'response_format' }) as Error,
    );
  });

  it('refuses a strict schema that it cannot keep, where it stands', () => {
    const tools = [
      ...TOOLS,
      { name: 'x', strict: true, parameters: { type: 'object', properties: { a: { not: {} } } } },
    ];
    expect(() => grammar(HERMES, { tools })).toThrow(UnsupportedSchema);
    expect(() => grammar(HERMES, { tools })).toThrow(
      expect.objectContaining({ place: 'tools[5].function.parameters.properties.a.not' }) as Error,
    );
  });
});
