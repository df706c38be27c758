import { type ChatTemplate, createChatTemplate } from '../../src/core/prompt/chat-template.ts';

/** Small templates that write tools and calls as the families do whose names they have. */
const OFFERED = '{%- if tools %}{{ tools | tojson }}{%- endif %}';
const JINJA = {
  mistral:
    `${OFFERED}{%- for m in messages %}{%- if m.tool_calls %}{{ '[TOOL_CALLS][' }}{%- for c in m.tool_calls %}` +
    "{%- set call = c.function | tojson %}{{ call[:-1] + ', \"id\": \"' + c.id + '\"}' }}{{ ', ' if not loop.last }}{%- endfor %}{{ ']</s>' }}" +
    "{%- elif m.role == 'tool' %}{%- if m.tool_call_id | length != 9 %}{{ raise_exception('nine characters') }}{%- endif %}" +
    "{{ '[TOOL_RESULTS]' + m.content + '[/TOOL_RESULTS]' }}{%- else %}{{ '[INST]' + m.content + '[/INST]' }}{%- endif %}{%- endfor %}",
  llama3:
    `${OFFERED}{%- for m in messages %}{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' }}` +
    "{%- if m.tool_calls %}{%- if m.tool_calls | length != 1 %}{{ raise_exception('one call') }}{%- endif %}{%- set f = m.tool_calls[0].function %}" +
    "{{ '{\"name\": \"' + f.name + '\", ' + '\"parameters\": ' + (f.arguments | tojson) + '}' }}{%- else %}{{ m.content }}{%- endif %}{{ '<|eot_id|>' }}{%- endfor %}",
  'no tools': "{%- for m in messages %}{{ m.role + ': ' + m.content }}{%- endfor %}",
  'tools that are not shown':
    '{%- for m in messages %}{%- for c in m.tool_calls or [] %}{{ \'<tool_call>\\n{"name": "\' + c.function.name + \'", "arguments": \' + (c.function.arguments | tojson) + \'}\\n</tool_call>\' }}{%- endfor %}{{ m.content }}{%- endfor %}',
  'answers that are not shown': `${OFFERED}{%- for m in messages %}{{ m.content if m.role != 'tool' }}{%- endfor %}`,
  'another syntax': `${OFFERED}{%- for m in messages %}{%- for c in m.tool_calls or [] %}{{ '<function=' + c.function.name + '>' + (c.function.arguments | tojson) }}{%- endfor %}{{ m.content }}{%- endfor %}`,
  'a refusal of tools': `${OFFERED}{%- for m in messages %}{%- if m.role == 'tool' %}{{ raise_exception('no tools') }}{%- endif %}{{ m.content }}{%- endfor %}`,
};

export type TemplateName = keyof typeof JINJA;

export function toolTemplate(name: TemplateName): ChatTemplate {
  return createChatTemplate(JSON.stringify({ chat_template: JINJA[name] }));
}
