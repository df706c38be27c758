import type { ChatTemplate, TemplateMessage } from '../../core/prompt/chat-template.ts';

/** How a model writes tool calls, to the letter: `opening first NAME beforeArguments ARGUMENTS (between NAME …)* last`. */
export interface ToolCallSyntax {
  readonly name: 'hermes' | 'mistral' | 'llama3';
  /** Begins the calls; what stands before it is text. Empty: an answer is calls from its first character on, or text. */
  readonly opening: string;
  readonly first: string;
  readonly beforeArguments: string;
  /** Null for a model that makes one call at a time. */
  readonly between: string | null;
  readonly last: string;
  /** Spellings that are the model's own: a client's text never becomes the token. */
  readonly markers: readonly string[];
  /** How the id of a call begins, and how many random characters follow: Mistral's templates take nine in all. */
  readonly id: { prefix: string; length: number };
}

const OPENAI_ID = { prefix: 'call_', length: 24 };

const SYNTAXES: readonly ToolCallSyntax[] = [
  {
    // Hermes 2 Pro's tags in Qwen2.5's and Qwen3's order of keys.
    name: 'hermes',
    opening: '<tool_call>',
    first: '\n{"name": "',
    beforeArguments: '", "arguments": ',
    between: '}\n</tool_call>\n<tool_call>\n{"name": "',
    last: '}\n</tool_call>',
    markers: ['<tool_call>', '</tool_call>', '<tool_response>', '</tool_response>'],
    id: OPENAI_ID,
  },
  {
    name: 'mistral',
    opening: '[TOOL_CALLS]',
    first: '[{"name": "',
    beforeArguments: '", "arguments": ',
    between: '}, {"name": "',
    last: '}]',
    markers: ['[TOOL_CALLS]', '[TOOL_RESULTS]', '[/TOOL_RESULTS]', '[AVAILABLE_TOOLS]', '[/AVAILABLE_TOOLS]'],
    id: { prefix: '', length: 9 },
  },
  {
    // Llama 3.1 and later, without its built-in tools.
    name: 'llama3',
    opening: '',
    first: '{"name": "',
    beforeArguments: '", "parameters": ',
    between: null,
    last: '}',
    markers: [],
    id: OPENAI_ID,
  },
];

/** An id for a call that nobody can guess, in the form that the model's template takes. */
export function newCallId({ id: { prefix, length } }: ToolCallSyntax): string {
  return prefix + crypto.randomUUID().replaceAll('-', '').slice(0, length);
}

const NAME = 'probe_name';
const DESCRIPTION = 'probe description';
const ANSWER = 'probe answer';
const ARGUMENTS = { key: 'value' };
const PROBE_TOOL = {
  type: 'function',
  function: { name: NAME, description: DESCRIPTION, parameters: { type: 'object', properties: {} } },
} as const;
const CONVERSATION: readonly TemplateMessage[] = [
  { role: 'user', content: 'probe' },
  {
    role: 'assistant',
    content: '',
    tool_calls: [{ id: 'probe1234', type: 'function', function: { name: NAME, arguments: ARGUMENTS } }],
  },
  { role: 'tool', content: ANSWER, name: NAME, tool_call_id: 'probe1234' },
];

/**
 * How the model of a chat template writes tool calls, found out by showing it one. A template that knows tools shows the
 * tool, the call and its answer; one that leaves out any of them would have the model answer about something else.
 *
 * @returns null for a template without tools, or of a syntax that is not known here.
 */
export function findToolSyntax(template: ChatTemplate): ToolCallSyntax | null {
  let shown: string;
  try {
    shown = template.render(CONVERSATION, [PROBE_TOOL]);
  } catch {
    return null;
  }
  if (!shown.includes(DESCRIPTION) || !shown.includes(ANSWER)) {
    return null;
  }
  // An id may follow the arguments, so the end of a call is not looked for.
  const found = SYNTAXES.find(({ opening, first, beforeArguments }) =>
    shown.includes(`${opening}${first}${NAME}${beforeArguments}{"key": "value"}`),
  );
  return found ?? null;
}
