import { describe, expect, it } from 'vitest';
import { MalformedFile } from '../../../src/core/bytes/malformed-file.ts';
import { createChatTemplate } from '../../../src/core/prompt/chat-template.ts';
import { RequestError } from '../../../src/core/protocol/failure.ts';

function templateOf(source: unknown, tokens: object = {}): ReturnType<typeof createChatTemplate> {
  return createChatTemplate(JSON.stringify({ chat_template: source, ...tokens }));
}

describe('createChatTemplate', () => {
  it('renders messages and opens the answer', () => {
    const template = templateOf(
      "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}",
    );
    expect(template.render([{ role: 'user', content: 'hi' }])).toBe('[user]hi[assistant]');
  });

  it('knows the named tokens, written as text or as an added token', () => {
    const template = templateOf('{{ bos_token }}{{ eos_token }}', { bos_token: '<s>', eos_token: { content: '</s>' } });
    expect(template.render([])).toBe('<s></s>');
  });

  it('takes a separate template before the included one', () => {
    const included = JSON.stringify({ chat_template: 'included', eos_token: '</s>' });
    expect(createChatTemplate(included, 'separate{{ eos_token }}').render([])).toBe('separate</s>');
    expect(createChatTemplate('{}', 'separate').render([])).toBe('separate');
  });

  it('blames the messages when the template raises', () => {
    const template = templateOf("{{ raise_exception('roles must alternate') }}");
    expect(() => template.render([])).toThrow(RequestError);
    expect(() => template.render([])).toThrow('roles must alternate');
  });

  it.each([[undefined], [''], [5], ['{% if %}'], ['{{ unclosed']])('blames the file for the template %j', (source) => {
    expect(() => templateOf(source)).toThrow(MalformedFile);
  });
});
