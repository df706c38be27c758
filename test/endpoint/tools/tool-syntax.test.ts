import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createChatTemplate } from '../../../src/core/prompt/chat-template.ts';
import { findToolSyntax, newCallId } from '../../../src/endpoint/tools/tool-syntax.ts';
import { type TemplateName, toolTemplate } from '../../support/tool-templates.ts';

describe('findToolSyntax', () => {
  it.each(['models/vora-random', 'models/vora-tiny/base'])('finds Hermes’ tags in the template of %s', (model) => {
    const template = createChatTemplate(readFileSync(`${model}/tokenizer_config.json`, 'utf8'));
    expect(findToolSyntax(template)?.name).toBe('hermes');
  });

  it.each<[TemplateName]>([['mistral'], ['llama3']])('finds %s', (name) => {
    const syntax = findToolSyntax(toolTemplate(name));
    expect(syntax?.name).toBe(name);
    expect(syntax === null ? '' : newCallId(syntax)).toMatch(
      name === 'mistral' ? /^[0-9a-f]{9}$/ : /^call_[0-9a-f]{24}$/,
    );
  });

  it.each<[TemplateName]>([
    ['no tools'],
    ['tools that are not shown'],
    ['answers that are not shown'],
    ['another syntax'],
    ['a refusal of tools'],
  ])('finds nothing in a template with %s', (name) => {
    expect(findToolSyntax(toolTemplate(name))).toBeNull();
  });
});
